// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"bytes"
	"math"

	"headroom/scenarios"
)

// NumberAt is where an answer shows a number that oracles follow: a field of its
// body, or a header.
type NumberAt struct {
	Field  string // of the body, with its quotes and colon: `"version":`; "" for a header
	Header []byte // its name; nil for a field
	digits func(value []byte) []byte
}

// newNumberAt compiles a reading.
func newNumberAt(r scenarios.Extractor) (NumberAt, error) {
	if err := r.Check(); err != nil {
		return NumberAt{}, err
	}
	switch r.From {
	case scenarios.FromETag:
		return NumberAt{Header: []byte("ETag"), digits: digitsOfETag}, nil
	case scenarios.FromLocation:
		return NumberAt{Header: []byte("Location"), digits: digitsOfLocation}, nil
	case scenarios.FromHeader:
		return NumberAt{Header: []byte(r.Name), digits: func(value []byte) []byte { return value }}, nil
	}
	return NumberAt{Field: `"` + r.Name + `":`}, nil
}

// Number reads the number of the header's value; ok is false when the value holds
// none that is whole.
func (s *NumberAt) Number(value []byte) (n int64, ok bool) {
	text := s.digits(value)
	if len(text) == 0 {
		return 0, false
	}
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		if n, ok = AppendDigit(n, digit); !ok {
			return 0, false
		}
	}
	return n, true
}

// AppendDigit is the number with a further digit, '0' to '9'; false: that is more than
// an int64 holds.
func AppendDigit(n int64, digit byte) (int64, bool) {
	d := int64(digit - '0')
	if n > (math.MaxInt64-d)/10 {
		return 0, false
	}
	return n*10 + d, true
}

// digitsOfETag takes the quotes off, and what says that the tag is weak (RFC 9110,
// section 8.8.3).
func digitsOfETag(value []byte) []byte {
	value = bytes.TrimPrefix(value, []byte("W/"))
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return value
}

// digitsOfLocation takes the last segment of the path, also of one that ends in a
// slash.
func digitsOfLocation(value []byte) []byte {
	if end := bytes.IndexAny(value, "?#"); end >= 0 {
		value = value[:end]
	}
	value = bytes.TrimSuffix(value, []byte("/"))
	return value[bytes.LastIndexByte(value, '/')+1:]
}
