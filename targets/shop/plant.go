// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// The words of the setting plant: differences that a regression check has to
// find.
const (
	plantNone      = "none"
	plantStatement = "statement"  // one statement more a request
	plantRoundTrip = "round_trip" // one round trip to the database more, that does nothing
	plantBody      = "body"       // answers twice as large
)

// executer is the part of a pool that a planted difference needs.
type executer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// planted adds the difference to a handler.
func planted(what string, db executer, next handler) handler {
	sql := map[string]string{
		plantStatement: "SELECT count(*) FROM users WHERE id = 1",
		plantRoundTrip: "SHOW server_version", // is not counted as a statement
	}[what]
	switch {
	case sql != "":
		return func(w http.ResponseWriter, r *http.Request) error {
			if _, err := db.Exec(r.Context(), sql); err != nil {
				return err
			}
			return next(w, r)
		}
	case what == plantBody:
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
