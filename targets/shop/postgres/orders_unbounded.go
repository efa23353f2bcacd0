// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"headroom/targets/shop/store"
)

// ordersUnbounded is the fault that works on the developer's machine: all
// orders of a user, without a limit.
//
// Gives: no paging to write. Costs: the best customers, who look most often,
// get the longest answers: 3,000 orders and half a megabyte for the first of
// the dataset. Measured by scenario phase1 (before), setting orders: unbounded.
func ordersUnbounded(ctx context.Context, db querier, user int64) ([]store.Order, error) {
	return list(ctx, db, ordersShown, scanOrder, selectOrders, user)
}
