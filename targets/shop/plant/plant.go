// SPDX-License-Identifier: Apache-2.0

// Package plant makes the shop worse in known ways: differences that a comparison, or
// a regression check, has to find.
package plant

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// The words of the setting plant.
const (
	none      = "none"
	statement = "statement"  // one statement more a request
	roundTrip = "round_trip" // one round trip to the database more, that does nothing
	body      = "body"       // answers twice as large
)

// executer is the part of a pool that a planted difference needs.
type executer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

type handler = func(w http.ResponseWriter, r *http.Request) error

// Into adds a difference to a handler. "" and "none" add nothing.
func Into(what string, db executer, next handler) handler {
	sql := map[string]string{
		statement: "SELECT count(*) FROM users WHERE id = 1",
		roundTrip: "SHOW server_version", // is not counted as a statement
	}[what]
	switch {
	case sql != "":
		return func(w http.ResponseWriter, r *http.Request) error {
			if _, err := db.Exec(r.Context(), sql); err != nil {
				return err
			}
			return next(w, r)
		}
	case what == body:
		return func(w http.ResponseWriter, r *http.Request) error { return next(doubled{w}, r) }
	}
	return next
}

// doubled follows every piece of an answer by as many blanks, which JSON allows
// at its end.
type doubled struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (d doubled) WriteHeader(status int) {
	if n, err := strconv.Atoi(d.Header().Get("Content-Length")); err == nil {
		d.Header().Set("Content-Length", strconv.Itoa(2*n))
	}
	d.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (d doubled) Write(text []byte) (int, error) {
	n, err := d.ResponseWriter.Write(text)
	if err == nil {
		_, err = d.ResponseWriter.Write(bytes.Repeat([]byte(" "), len(text)))
	}
	return n, err
}
