// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine/spec"
)

// errCutOff is a replica that answers, and shows an ever older past.
var errCutOff = errors.New("it receives nothing from its primary")

// lagMeter tells how long a replica has owed something to its primary. It asks
// the primary where its log ends, and then, look by look, whether the replica
// has replayed up to there; then it asks anew. So the answer is 0 while what the
// primary had at one look is there by the next, and the lag is never more than
// the answer and one look's interval. It compares no two machines' clocks, and
// a primary that writes nothing makes no lag: the age of the last commit that
// was replayed, which is often taken instead, is wrong in both.
type lagMeter struct {
	primary, replica querier

	owed  int64 // the end of the primary's log at since, in bytes
	since time.Time
}

// behind fails when the replica does not answer or is cut off. A primary that
// does not answer writes nothing that could be owed.
func (m *lagMeter) behind(ctx context.Context) (time.Duration, error) {
	// pg_stat_wal_receiver has a row while the replica is connected.
	const state = `SELECT ` + spec.UnaskedMark + ` EXISTS (SELECT FROM pg_stat_wal_receiver), COALESCE(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::bigint`
	type position struct {
		connected bool
		replayed  int64
	}
	at, err := one(ctx, m.replica, func(row pgx.CollectableRow) (p position, err error) {
		err = row.Scan(&p.connected, &p.replayed)
		return p, err
	}, state)
	if err != nil {
		return 0, fmt.Errorf("health check: %w", err)
	}
	if !at.connected {
		return 0, errCutOff
	}
	if at.replayed < m.owed {
		return time.Since(m.since), nil
	}
	since := time.Now()
	end, err := one(ctx, m.primary, pgx.RowTo[int64], `SELECT `+spec.UnaskedMark+` (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint`)
	if err == nil {
		m.owed, m.since = end, since
	}
	return 0, nil
}
