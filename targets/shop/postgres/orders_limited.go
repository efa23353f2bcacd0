// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"headroom/targets/shop/store"
)

const (
	ordersShown  = 20
	selectOrders = `SELECT id, user_id, item, amount_cents, status, created_at, version
		FROM orders WHERE user_id = $1 ORDER BY id DESC`
)

// ordersLimited lists the 20 newest orders of a user.
//
// Gives: a page whose cost does not grow with the user's history; with the
// index on (user_id, id) it reads 20 rows. Costs: the rest needs paging, which
// the shop does not offer. Measured by scenario phase1 (after), setting orders:
// limited.
func ordersLimited(ctx context.Context, db querier, user int64) ([]store.Order, error) {
	return list(ctx, db, ordersShown, scanOrder, selectOrders+` LIMIT 20`, user)
}
