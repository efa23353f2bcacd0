// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headroom/targets/machine/spec"
)

// Rows returns which of the ids a table has.
func (a *cachedConn) Rows(ctx context.Context, table string, ids []int64) ([]int64, error) {
	found := []int64{}
	err := a.query(ctx, func(conn *pgx.Conn) error {
		answer, err := conn.Query(ctx, selectIDs(table), ids)
		if err != nil {
			return err
		}
		found, err = pgx.AppendRows(found, answer, pgx.RowTo[int64])
		return err
	})
	return found, tableFault(table, err)
}

// selectIDs quotes the table's name, which comes from a scenario. The cast has
// PostgreSQL itself refuse ids that are no whole numbers.
func selectIDs(table string) string {
	return "SELECT id FROM " + pgx.Identifier{table}.Sanitize() + " WHERE id = ANY($1::bigint[])"
}

// refusedStatement begins the code of an error in a statement itself: no such table
// or function, no such column, a column of another type, or no right to use them.
const refusedStatement = "42"

// tableFault says what to do about a table that can't be asked.
func tableFault(table string, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Code, refusedStatement) {
		return err
	}
	return fmt.Errorf("table %q: %w: `creates:` must name a table with a column id of whole numbers", table, err)
}

// Lag returns the samples of a primary's replicas.
func (s *server) Lag(from, till int64) ([]spec.LagSample, error) {
	return s.lags.between(from, till)
}
