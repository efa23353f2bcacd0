// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"headroom/targets/shop/store"
)

const (
	watchEvery   = 500 * time.Millisecond
	watchTimeout = 2 * time.Second // a replica at its CPU limit answers late, but is there
)

// Replicas is one database: a primary, which takes every write, and the
// replicas that its reads are spread over.
//
// Gives: reads scale with the number of replicas, and go on when one of them,
// or for a while the primary, is lost. Costs: a replica shows the past, by its
// lag; what that does to a session, and what is done about it, is told in
// own_writes.go of package cache. Every write is replayed on every replica, so
// writes do not scale.
//
// Healthy replicas take turns. The index is an atomic counter: the article's
// nextIdx, raised and read by every request without a lock, is a data race. The
// list of the healthy is replaced, never changed, so that a replica which is
// away burdens the others evenly and reading the list needs no lock either.
//
// A watcher asks every replica every watchEvery, over a connection of its own,
// takes it out when it does not answer and puts it back when it does. That alone
// would fail every read for half a second, so a read that loses its connection
// also takes the replica out, at once, and is tried once more on another, and
// in the end on the primary: reads are safe to repeat, and replicas alone never
// fail one. Reads in flight on a replica that is lost are cut off and tried
// again too: one that hangs must not hold them until their deadline. Without a
// healthy replica the primary answers. Measured by scenario phase4.
type Replicas struct {
	primary querier
	log     *slog.Logger
	// tooFarBehind takes a replica out that shows the past by more than this;
	// 0 never does.
	tooFarBehind time.Duration

	mu      sync.Mutex // of who is healthy
	all     []*replica
	healthy atomic.Pointer[[]turn]
	next    atomic.Uint64

	replicaReads, primaryReads, failures atomic.Int64
}

// replica is one copy of the database. It starts out: its first check lets it
// in.
type replica struct {
	name string
	db   querier
	// reset closes its connections: those to a server that died.
	reset func()

	// The rest is guarded by Replicas.mu.
	away  error           // why no reads go there, nil when they do
	alive context.Context // ends when it is lost, and every read on it
	lose  context.CancelFunc
}

// turn is a healthy replica and its life at that time.
type turn struct {
	*replica
	alive context.Context
}

var errNotChecked = errors.New("not checked yet")

func newReplicas(primary querier, tooFarBehind time.Duration, log *slog.Logger) *Replicas {
	r := &Replicas{primary: primary, tooFarBehind: tooFarBehind, log: log}
	r.healthy.Store(new([]turn))
	return r
}

// add is for the time before the first read.
func (r *Replicas) add(name string, db querier, reset func()) *replica {
	p := &replica{name: name, db: db, reset: reset, away: errNotChecked}
	p.alive, p.lose = context.WithCancel(context.Background())
	r.all = append(r.all, p)
	return p
}

// ReadCounts is where reads went so far, how many of them failed on a replica, and how
// many replicas take reads now.
type ReadCounts struct{ Replica, Primary, Failures, Healthy int64 }

// Counts is what was counted so far.
func (r *Replicas) Counts() ReadCounts {
	return ReadCounts{
		Replica: r.replicaReads.Load(), Primary: r.primaryReads.Load(), Failures: r.failures.Load(),
		Healthy: int64(len(*r.healthy.Load())),
	}
}

// view runs a read of one statement or more against the primary, or against
// one replica.
func (r *Replicas) view(ctx context.Context, read func(ctx context.Context, db querier) error) error {
	if !store.ReadsPrimary(ctx) {
		for range 2 {
			healthy := *r.healthy.Load()
			if len(healthy) == 0 {
				break
			}
			again, err := r.try(ctx, healthy[r.next.Add(1)%uint64(len(healthy))], read)
			if !again {
				return err
			}
		}
	}
	r.primaryReads.Add(1)
	return read(ctx, r.primary)
}

// try says whether the read is to be tried elsewhere, because of the replica
// and not of the read.
func (r *Replicas) try(ctx context.Context, t turn, read func(context.Context, querier) error) (again bool, err error) {
	r.replicaReads.Add(1)
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(t.alive, cancel)
	defer stop()
	err = read(attempt, t.db)
	switch {
	case err == nil, ctx.Err() != nil: // the latter says nothing of the replica
		return false, err
	case connectionLost(err):
		r.takeOut(t, err)
	case t.alive.Err() == nil && !replayConflict(err):
		return false, err
	}
	r.failures.Add(1)
	return true, err
}

// takeOut takes a replica out, unless that life of it is over already: then it
// may be back, and well.
func (r *Replicas) takeOut(t turn, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.replica.alive == t.alive {
		r.lost(t.replica, why)
	}
}

// lost ends p's life, and begins another which its next good check lets in.
// The caller holds the lock.
func (r *Replicas) lost(p *replica, why error) {
	p.lose()
	p.alive, p.lose = context.WithCancel(context.Background())
	p.reset()
	r.set(p, why)
}

// set makes p away, or healthy. The caller holds the lock.
func (r *Replicas) set(p *replica, away error) {
	if was := p.away; (was == nil) != (away == nil) {
		r.log.Warn("replica", "name", p.name, "takes_reads", away == nil, "reason", cmp.Or(away, was).Error())
	}
	p.away = away
	healthy := make([]turn, 0, len(r.all))
	for _, p := range r.all {
		if p.away == nil {
			healthy = append(healthy, turn{p, p.alive})
		}
	}
	r.healthy.Store(&healthy)
}

// checked is told how far a replica was behind, or why it could not say.
func (r *Replicas) checked(p *replica, behind time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && p.away == nil:
		r.lost(p, err)
	case err != nil:
		r.set(p, err)
	case r.tooFarBehind > 0 && behind > r.tooFarBehind: // its reads in flight may end
		r.set(p, fmt.Errorf("%v behind its primary, more than %v", behind.Round(time.Millisecond), r.tooFarBehind))
	default:
		r.set(p, nil)
	}
}

// watch checks p until ctx ends.
func (r *Replicas) watch(ctx context.Context, p *replica, ask func(context.Context) (behind time.Duration, err error)) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, watchTimeout)
		behind, err := ask(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		r.checked(p, behind, err)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Degraded is why a replica takes no reads. The shop goes on without the replica,
// more slowly.
type Degraded struct{ Why error }

// Error says why.
func (d Degraded) Error() string { return d.Why.Error() }

// status is nil when p takes reads, else why not; the shop goes on without it.
func (r *Replicas) status(p *replica) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.away == nil {
		return nil
	}
	return Degraded{p.away}
}

// connectionLost says that a statement failed because its server is not there:
// no connection, a broken one, or a server that is going down or coming up.
func connectionLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	var said *pgconn.PgError
	// admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped
	return errors.As(err, &said) && slices.Contains([]string{"57P01", "57P02", "57P03", "57P04"}, said.Code)
}

// replayConflict says that a replica gave up a read because it stood in the way
// of what the primary had changed. The next read is welcome there.
func replayConflict(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == "40001"
}
