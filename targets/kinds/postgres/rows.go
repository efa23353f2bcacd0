// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine/spec"
)

// Rows returns which of the ids a table has. The table's name is one of a fixed
// list, as it becomes part of the statement.
func (s *server) Rows(ctx context.Context, table string, ids []int64) ([]int64, error) {
	if !slices.Contains(spec.RowTables(), table) {
		return nil, fmt.Errorf("table %q: want one of %v", table, spec.RowTables())
	}
	found := []int64{}
	err := s.query(ctx, func(conn *pgx.Conn) error {
		answer, err := conn.Query(ctx, "SELECT id FROM "+table+" WHERE id = ANY($1)", ids)
		if err != nil {
			return err
		}
		found, err = pgx.AppendRows(found, answer, pgx.RowTo[int64])
		return err
	})
	return found, err
}

// Lag returns the samples of a primary's replicas.
func (s *server) Lag(from, till int64) ([]spec.LagSample, error) {
	return s.lags.between(from, till)
}
