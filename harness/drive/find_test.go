// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"
)

const fieldVersion = `"version":`

func TestFinder(t *testing.T) {
	for body, want := range map[string]int64{
		`{"id":7,"version":12,"name":"a"}`:                 12,
		`{"version" : 3}`:                                  -1, // our JSON has no blank before the colon
		`{"version": 3}`:                                   3,
		`{"version":3`:                                     3, // the body may end there
		`{"version":0}`:                                    0,
		`{"version":5,"author":{"version":9}}`:             5,
		`{"version":null,"version":4}`:                     4,
		`{"version":"6","version":8}`:                      8,
		`{"version":1.5,"version":2}`:                      2,
		`{"version":-1}`:                                   -1,
		`{"version":1e3}`:                                  -1,
		`{"version":1234567890123456789012}`:               -1,
		`{"version":999999999999999999}`:                   999999999999999999,
		`{"version":9223372036854775807}`:                  9223372036854775807, // the largest of 64 bits
		`{"version":9223372036854775808}`:                  -1,
		`{"version":9223372036854775808,"version":4}`:      4,
		`{"bio":"\"version\":1","version":2}`:              2,
		`{"versions":1,"subversion":2,"version":3}`:        3,
		`{"version"version":4}`:                            4, // the closing quote opens the next
		`{""version":4}`:                                   4,
		`no number here`:                                   -1,
		``:                                                 -1,
		`{"version":` + "\n\t 17}":                         17,
		`[{"version":x},{"versio":1},{"version":{"a":1}}]`: -1,
	} {
		for size := 1; size <= len(body)+1; size++ {
			if got := findIn(fieldVersion, body, func(int) int { return size }); got != want {
				t.Errorf("%s in fragments of %d: %d, want %d", body, size, got, want)
			}
		}
	}
	for _, field := range []string{`"rev":`, `"r":`, `"_rev-2":`} {
		for size := 1; size <= 12; size++ {
			if got := findIn(field, `{"version":1,`+field+`"x",`+field+` 17}`, func(int) int { return size }); got != 17 {
				t.Errorf("%s in fragments of %d: %d, want 17", field, size, got)
			}
		}
	}
	if got := findIn("", `{"version":1}`, func(left int) int { return left }); got != -1 {
		t.Errorf("found %d without a field to look for", got)
	}
}

// findIn returns the number, or -1. size says how long the next fragment is.
func findIn(field, body string, size func(left int) int) int64 {
	var f finder
	f.reset(field)
	for len(body) > 0 {
		n := max(min(size(len(body)), len(body)), 1)
		f.write([]byte(body[:n]))
		body = body[n:]
	}
	n, ok := f.found()
	if !ok {
		return -1
	}
	return n
}

// The number found does not depend on how the body is cut, and equals what a regular
// expression finds in the whole body.
func FuzzFinder(f *testing.F) {
	f.Add(`{"id":1,"version":7}`, uint64(1))
	f.Add(`"version":"version":"version": 12x`, uint64(2))
	f.Add(`"version":5.5,"version":6`, uint64(3))
	whole := regexp.MustCompile(`"version":[ \t\r\n]*([0-9]+)([.eE]?)`)
	f.Fuzz(func(t *testing.T, body string, seed uint64) {
		want := int64(-1)
		for _, match := range whole.FindAllStringSubmatch(body, -1) {
			if n, err := strconv.ParseInt(match[1], 10, 64); err == nil && match[2] == "" {
				want = n
				break
			}
		}
		draw := rand.New(rand.NewPCG(seed, 1))
		if got := findIn(fieldVersion, body, func(left int) int { return 1 + draw.IntN(left) }); got != want {
			t.Errorf("%q: found %d, want %d", body, got, want)
		}
	})
}
