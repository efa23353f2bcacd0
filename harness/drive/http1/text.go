// SPDX-License-Identifier: Apache-2.0

package http1

import "bytes"

// nextItem cuts the first item off a comma-separated list.
func nextItem(list []byte) (item, rest []byte) {
	if comma := bytes.IndexByte(list, ','); comma >= 0 {
		return trim(list[:comma]), list[comma+1:]
	}
	return trim(list), nil
}

// nextCoding cuts the first item off a list whose items may hold quoted
// strings, and those commas.
func nextCoding(list []byte) (item, rest []byte) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// decimal reads digits, any number of leading zeros among them.
func decimal(digits []byte) (n int64, ok bool) {
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		digit := int64(c - '0')
		if n > (maxLength-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, len(digits) > 0
}

func hex(digit byte) int64 {
	switch {
	case isDigit(digit):
		return int64(digit - '0')
	case digit|0x20 >= 'a' && digit|0x20 <= 'f':
		return int64(digit|0x20-'a') + 10
	}
	return -1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// statusBlank says whether c separates the words of a status line.
func statusBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' && c != '\n' }

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func trim(b []byte) []byte { return trimLeft(trimRight(b)) }

// equalFold compares without regard to ASCII case; lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
