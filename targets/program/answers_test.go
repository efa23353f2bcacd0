// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthNamesWhatIsAway(t *testing.T) {
	up := Dependency{"queue", func(context.Context) error { return nil }}
	down := Dependency{"cache", func(context.Context) error { return errors.New("no route") }}
	for _, test := range []struct {
		dependencies []Dependency
		status       int
		holds        string
	}{
		{nil, 200, "healthy"},
		{[]Dependency{up}, 200, "healthy"},
		{[]Dependency{up, down}, 503, `"away":{"cache":"no route"}`},
	} {
		w := httptest.NewRecorder()
		Health(test.dependencies...)(w, httptest.NewRequest("GET", "/health", nil))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.holds) {
			t.Errorf("%d %s, want %d with %s", w.Code, w.Body, test.status, test.holds)
		}
	}
}

func TestCounters(t *testing.T) {
	w := httptest.NewRecorder()
	Counters{"a_total": func() int64 { return 7 }}.ServeHTTP(w, nil)
	if w.Body.String() != `{"a_total":7}` {
		t.Error(w.Body)
	}
}

func TestWord(t *testing.T) {
	for s, want := range map[string]bool{"a-Z_0.9": true, "": false, "abcdefgh": true, "abcdefghi": false, "a b": false, "é": false, "a\r\n": false} {
		if Word(s, 8) != want {
			t.Errorf("Word(%q) is %v", s, !want)
		}
	}
}
