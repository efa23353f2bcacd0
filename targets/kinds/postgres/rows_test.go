// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A table's name is quoted: it can't become another part of the statement.
func TestSelectIDsQuotesTheTable(t *testing.T) {
	for table, want := range map[string]string{
		"orders":                     `SELECT id FROM "orders" WHERE id = ANY($1::bigint[])`,
		"user":                       `SELECT id FROM "user" WHERE id = ANY($1::bigint[])`, // a reserved word
		`users"; DROP TABLE users--`: `SELECT id FROM "users""; DROP TABLE users--" WHERE id = ANY($1::bigint[])`,
	} {
		if got := selectIDs(table); got != want {
			t.Errorf("table %q: %s, want %s", table, got, want)
		}
	}
}

// What is wrong with the table tells its name and the remedy; other failures stay
// what they are.
func TestTableFault(t *testing.T) {
	for code, named := range map[string]bool{
		"42P01": true, // no such table
		"42703": true, // no column id
		"42883": true, // ids of another type
		"57014": false,
		"53300": false,
	} {
		failure := fmt.Errorf("query: %w", &pgconn.PgError{Code: code, Message: "refused"})
		err := tableFault("bookings", failure)
		if !errors.Is(err, failure) {
			t.Errorf("%s: %v hides what PostgreSQL said", code, err)
		}
		if says := strings.Contains(err.Error(), `table "bookings"`) && strings.Contains(err.Error(), "`creates:` must name a table with a column id"); says != named {
			t.Errorf("%s: %v; names the table: %v, want %v", code, err, says, named)
		}
	}
	if err := tableFault("bookings", context.Canceled); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "bookings") {
		t.Errorf("a lost connection: %v", err)
	}
	if err := tableFault("bookings", nil); err != nil {
		t.Errorf("no failure: %v", err)
	}
}
