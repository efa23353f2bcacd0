package shop

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
)

// settlePath is where a counted run asks the shop to have its databases' counters
// brought up to date.
const settlePath = "/internal/settle"

// settle lets every idle connection hand in what it has counted of tables.
// PostgreSQL does so by itself at most once a second, and ten seconds after the
// last statement.
func settle(pools []*pgxpool.Pool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		settled := 0
		for _, pool := range pools {
			n, err := settlePool(r.Context(), pool)
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			settled += n
		}
		_ = answer(w, http.StatusOK, map[string]int{"settled": settled})
	}
}

func settlePool(ctx context.Context, pool *pgxpool.Pool) (settled int, err error) {
	idle := pool.AcquireAllIdle(ctx)
	for _, conn := range idle {
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT pg_stat_force_next_flush()")
		}
		conn.Release()
	}
	return len(idle), err
}
