// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/machine/spec"
)

const (
	// settleLimit bounds the wait for what is under way; a machine's agent relays a
	// question for 10 s.
	settleLimit = 8 * time.Second
	settlePoll  = 5 * time.Millisecond
)

// flushSQL has a connection hand in what it has counted of tables.
const flushSQL = "SELECT " + spec.UnaskedMark + " pg_stat_force_next_flush()"

// unfinished is work that goes on behind answers: left is how much of it there is.
type unfinished struct {
	what string
	left func() int
}

// settle waits until nothing is under way behind the answers: what a mail
// allocates would else be counted for the next endpoint, or for none. Then it lets
// every idle connection hand in what it has counted of tables. PostgreSQL does so
// by itself at most once a second, and ten seconds after the last statement.
func settle(pools []*pgxpool.Pool, behind []unfinished) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		settled := 0
		err := finish(r.Context(), behind)
		for _, pool := range pools {
			if err == nil {
				var n int
				n, err = settlePool(r.Context(), pool)
				settled += n
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = answer(w, http.StatusOK, map[string]int{"settled": settled})
	}
}

// finish returns when nothing is left of any, or names what is after settleLimit.
func finish(ctx context.Context, behind []unfinished) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for _, work := range behind {
		for work.left() > 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%d %s are still under way: ask again", work.left(), work.what)
			}
		}
	}
	return nil
}

func settlePool(ctx context.Context, pool *pgxpool.Pool) (settled int, err error) {
	idle := pool.AcquireAllIdle(ctx)
	for _, conn := range idle {
		if err == nil {
			_, err = conn.Exec(ctx, flushSQL)
		}
		conn.Release()
	}
	return len(idle), err
}
