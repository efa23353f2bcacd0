// SPDX-License-Identifier: Apache-2.0

package scenarios

import "testing"

// Levenshtein's distances, and which word is near enough to be meant: three letters
// at most, and the first of equals.
func TestNearestWord(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"saturday", "sunday", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("from %q to %q it is %d, want %d", test.a, test.b, got, test.want)
		}
	}
	for _, test := range []struct {
		word  string
		known []string
		want  string
	}{
		{"sitting", []string{"nothing", "kitten"}, `; did you mean "nothing"?`},
		{"kitten", []string{"sitting"}, `; did you mean "sitting"?`},
		{"kittens", []string{"sit", "abacus"}, "; known are abacus, sit"},
		{"cat", []string{"car", "bat"}, `; did you mean "car"?`},
		{"cat", []string{"coats", "bat"}, `; did you mean "bat"?`},
		{"cat", nil, "; none is known here"},
	} {
		if got := nearest(test.word, test.known); got != test.want {
			t.Errorf("%s of %v: %q, want %q", test.word, test.known, got, test.want)
		}
	}
}
