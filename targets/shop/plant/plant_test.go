// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	kind "headroom/targets/kinds/shop"
)

type fakeExecuter struct {
	statements []string
	err        error
}

func (f *fakeExecuter) Exec(_ context.Context, sql string, _ ...any) (pgconn.CommandTag, error) {
	f.statements = append(f.statements, sql)
	return pgconn.CommandTag{}, f.err
}

func TestPlanted(t *testing.T) {
	hello := func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Length", "7")
		w.WriteHeader(http.StatusOK)
		_, err := w.Write([]byte(`{"a":1}`))
		return err
	}
	for what, want := range map[string]struct {
		statements []string
		body       string
		length     string
	}{
		"":        {nil, `{"a":1}`, "7"},
		none:      {nil, `{"a":1}`, "7"},
		statement: {[]string{"SELECT count(*) FROM users WHERE id = 1"}, `{"a":1}`, "7"},
		roundTrip: {[]string{"SHOW server_version"}, `{"a":1}`, "7"},
		body:      {nil, `{"a":1}       `, "14"},
	} {
		db, w := &fakeExecuter{}, httptest.NewRecorder()
		if err := Into(what, db, hello)(w, httptest.NewRequest("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
		if w.Body.String() != want.body || w.Header().Get("Content-Length") != want.length || !slices.Equal(db.statements, want.statements) {
			t.Errorf("%s: %q of %s bytes after %q", what, w.Body, w.Header().Get("Content-Length"), db.statements)
		}
	}
	broken := errors.New("away")
	if err := Into(statement, &fakeExecuter{err: broken}, hello)(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestPlantKnowsTheKindsWords(t *testing.T) {
	if words := []string{none, statement, roundTrip, body}; !slices.Equal(kind.Plant.Words, words) {
		t.Errorf("the kind's words are %q, and the shop plants %q", kind.Plant.Words, words)
	}
}
