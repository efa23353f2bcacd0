// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"

	"headroom/harness/drive/mix"
)

// finder reads the number after the first field with a given name, such as "version":7,
// from a JSON body that comes in fragments. It keeps no fragment. It does not track
// strings: within a string quotes are escaped, so a field's name can't stand there.
type finder struct {
	field string // with its quotes and colon; "" looks for nothing
	state findState
	at    int // bytes of field that match so far
	value int64
}

type findState uint8

const (
	findField findState = iota
	findSpace           // between the colon and the number
	findDigits
	findDone
)

func (f *finder) reset(field string) {
	*f = finder{field: field}
	if field == "" {
		f.state = findDone
	}
}

func (f *finder) write(fragment []byte) {
	for i := 0; i < len(fragment) && f.state != findDone; {
		if f.state == findField && f.at == 0 {
			quote := bytes.IndexByte(fragment[i:], f.field[0])
			if quote < 0 {
				return
			}
			i += quote
		}
		f.next(fragment[i])
		i++
	}
}

// next takes one byte.
func (f *finder) next(b byte) {
	digit := b >= '0' && b <= '9'
	switch {
	case f.state == findDigits && digit, f.state == findSpace && digit:
		value, fits := mix.AppendDigit(f.value, b)
		if !fits {
			f.restart(b)
			return
		}
		f.state, f.value = findDigits, value
	case f.state == findDigits && b != '.' && b|0x20 != 'e':
		f.state = findDone
	case f.state == findSpace && (b == ' ' || b == '\t' || b == '\r' || b == '\n'):
	case f.state == findField:
		f.match(b)
	default: // a text, a fraction: not the number that is looked for
		f.restart(b)
	}
}

// restart looks for the next field of that name, from b on.
func (f *finder) restart(b byte) {
	f.state, f.at, f.value = findField, 0, 0
	f.match(b)
}

// match compares the next byte of the field. When the byte differs, the closing quote of
// the matched text may be the opening quote of the field.
func (f *finder) match(b byte) {
	for f.at > 0 && f.field[f.at] != b {
		if f.at == len(f.field)-1 {
			f.at = 1
		} else {
			f.at = 0
		}
	}
	if f.field[f.at] != b {
		return
	}
	if f.at++; f.at == len(f.field) {
		f.state = findSpace
	}
}

// found returns the number, once the body is over; ok is false without a number.
func (f *finder) found() (n int64, ok bool) {
	if f.field == "" || f.state != findDigits && f.state != findDone {
		return 0, false
	}
	return f.value, true
}
