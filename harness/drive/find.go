// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"

	"headroom/harness/drive/mix"
)

// finder reads the number behind the first field of its name, such as
// "version":7, from a JSON body that comes in fragments. It keeps nothing of
// them. It does not know where a string ends: within one, quotes are escaped,
// so that a field's name can't stand there.
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
			f.again(b)
			return
		}
		f.state, f.value = findDigits, value
	case f.state == findDigits && b != '.' && b|0x20 != 'e':
		f.state = findDone
	case f.state == findSpace && (b == ' ' || b == '\t' || b == '\r' || b == '\n'):
	case f.state == findField:
		f.match(b)
	default: // a text, a fraction: not the number that is looked for
		f.again(b)
	}
}

// again looks for the next field of the name.
func (f *finder) again(b byte) {
	f.state, f.at, f.value = findField, 0, 0
	f.match(b)
}

// match compares the next byte of the field. When it differs, the closing
// quote of what matched may be the opening one of the field.
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

// found returns the number, once the body is over; ok is false when there was
// none.
func (f *finder) found() (n int64, ok bool) {
	if f.field == "" || f.state != findDigits && f.state != findDone {
		return 0, false
	}
	return f.value, true
}
