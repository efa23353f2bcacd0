// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine/spec"
)

// rows returns which of the ids a table has. The table's name is one of a fixed
// list, as it becomes part of the statement.
func (p *postgres) rows(ctx context.Context, table string, ids []int64) ([]int64, error) {
	if !slices.Contains(spec.RowTables(), table) {
		return nil, fmt.Errorf("table %q: want one of %v", table, spec.RowTables())
	}
	found := []int64{}
	err := p.query(ctx, func(conn *pgx.Conn) error {
		answer, err := conn.Query(ctx, "SELECT id FROM "+table+" WHERE id = ANY($1)", ids)
		if err != nil {
			return err
		}
		found, err = pgx.AppendRows(found, answer, pgx.RowTo[int64])
		return err
	})
	return found, err
}

// lag returns the samples of a primary's replicas.
func (p *postgres) lag(from, till int64) ([]spec.LagSample, error) {
	return p.lags.between(from, till)
}
