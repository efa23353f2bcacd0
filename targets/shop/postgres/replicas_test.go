// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headroom/targets/shop/store"
)

var (
	errBroken = errors.New("broken for the test")
	quiet     = slog.New(slog.DiscardHandler)
)

// place is a querier that only says which server a read was sent to.
type place struct {
	name  string
	reads atomic.Int64
	err   atomic.Pointer[error] // of every read, when set
	hangs atomic.Bool           // until the read's context ends
}

func (p *place) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	p.reads.Add(1)
	if p.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := p.err.Load(); err != nil {
		return nil, *err
	}
	return nil, nil
}

func (p *place) fail(err error) { p.err.Store(&err) }

// testReplicas has n replicas that passed their first check.
func testReplicas(n int) (r *Replicas, primary *place, places []*place) {
	primary = &place{name: "primary"}
	r = newReplicas(primary, time.Second, quiet)
	for range n {
		at := &place{name: numbered("replica", len(places), n)}
		places = append(places, at)
		r.checked(r.add(at.name, at, func() {}), 0, nil)
	}
	return r, primary, places
}

func readOnce(ctx context.Context, r *Replicas) (from string, err error) {
	err = r.view(ctx, func(ctx context.Context, db querier) error {
		from = db.(*place).name
		_, err := db.Query(ctx, "")
		return err
	})
	return from, err
}

var errGone = &net.OpError{Op: "read", Err: errors.New("connection reset")}

func TestReadsTakeTurns(t *testing.T) {
	r, primary, places := testReplicas(3)
	for range 30 {
		if _, err := readOnce(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range places {
		if p.reads.Load() != 10 {
			t.Errorf("%s got %d of 30 reads, want 10", p.name, p.reads.Load())
		}
	}
	if from, err := readOnce(store.FromPrimary(t.Context()), r); from != "primary" || err != nil {
		t.Errorf("a read for the primary came from %s, %v", from, err)
	}
	if primary.reads.Load() != 1 || r.primaryReads.Load() != 1 || r.replicaReads.Load() != 30 || r.failures.Load() != 0 {
		t.Errorf("%d reads of the primary; counted %d there, %d on replicas, %d failures", primary.reads.Load(), r.primaryReads.Load(), r.replicaReads.Load(), r.failures.Load())
	}
}

func TestReplicasStartOut(t *testing.T) {
	r := newReplicas(&place{name: "primary"}, 0, quiet)
	p := r.add("replica", &place{name: "replica"}, func() {})
	if from, _ := readOnce(t.Context(), r); from != "primary" {
		t.Errorf("before its first check, %s answers", from)
	}
	var lesser Degraded
	if err := r.status(p); !errors.As(err, &lesser) || lesser.Why != errNotChecked {
		t.Errorf("status %v, want degraded for want of a check", err)
	}
	r.checked(p, 0, nil)
	if from, _ := readOnce(t.Context(), r); from != "replica" || r.status(p) != nil {
		t.Errorf("after it, %s answers; status %v", from, r.status(p))
	}
}

func TestLostReplicaFailsNoRead(t *testing.T) {
	r, primary, places := testReplicas(3)
	places[1].fail(errGone)
	for i := range 30 {
		if from, err := readOnce(t.Context(), r); err != nil || from == places[1].name {
			t.Fatalf("read %d: from %s, %v", i, from, err)
		}
	}
	if places[1].reads.Load() != 1 || r.failures.Load() != 1 || primary.reads.Load() != 0 {
		t.Errorf("%d reads on the lost one, %d failures, %d on the primary, want 1, 1, 0", places[1].reads.Load(), r.failures.Load(), primary.reads.Load())
	}
	if a, c := places[0].reads.Load(), places[2].reads.Load(); a != 15 || c != 15 {
		t.Errorf("the other two got %d and %d of 30, want 15 each", a, c)
	}
	places[1].err.Store(nil)
	r.checked(r.all[1], 0, nil)
	for range 30 {
		_, _ = readOnce(t.Context(), r)
	}
	if places[1].reads.Load() != 11 {
		t.Errorf("back again, it got %d of 30 reads, want 10", places[1].reads.Load()-1)
	}
}

func TestAllReplicasLost(t *testing.T) {
	r, primary, places := testReplicas(3)
	for _, p := range places {
		p.fail(errGone)
	}
	for i, failures := range []int64{2, 3, 3} { // two replicas are tried at most
		if from, err := readOnce(t.Context(), r); from != "primary" || err != nil || r.failures.Load() != failures {
			t.Errorf("read %d: from %s, %v, %d failures, want %d", i, from, err, r.failures.Load(), failures)
		}
	}
	primary.fail(errGone)
	if _, err := readOnce(t.Context(), r); !errors.Is(err, errGone) {
		t.Errorf("with the primary lost too: %v", err)
	}
}

func TestWhatTakesAReplicaOut(t *testing.T) {
	said := func(code string) error { return &pgconn.PgError{Code: code} }
	tests := []struct {
		name        string
		err         error
		again, lost bool
	}{
		{"reset", errGone, true, true},
		{"end of the stream", io.ErrUnexpectedEOF, true, true},
		{"shutdown", said("57P01"), true, true},
		{"starting up", said("57P03"), true, true},
		{"in the way of replay", said("40001"), true, false},
		{"bad statement", said("42601"), false, false},
		{"no row", store.ErrNotFound, false, false},
	}
	for _, test := range tests {
		r, _, places := testReplicas(1)
		places[0].fail(test.err)
		from, err := readOnce(t.Context(), r)
		if again := from == "primary"; again != test.again || (len(*r.healthy.Load()) == 0) != test.lost {
			t.Errorf("%s: answered by %s after %d tries, %v; %d healthy", test.name, from, places[0].reads.Load(), err, len(*r.healthy.Load()))
		}
	}
}

func TestClientThatLeavesTakesNoReplicaOut(t *testing.T) {
	r, primary, places := testReplicas(2)
	places[0].hangs.Store(true)
	places[1].hangs.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readOnce(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(*r.healthy.Load()) != 2 || r.failures.Load() != 0 || primary.reads.Load() != 0 {
		t.Errorf("%d healthy, %d failures, want 2 and 0", len(*r.healthy.Load()), r.failures.Load())
	}
}

// A replica that stops answering, with its connections open, holds its reads
// no longer than the watcher needs.
func TestHangingReplicaIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, places := testReplicas(1)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // as a request has it
		go r.watch(ctx, r.all[0], func(ctx context.Context) (time.Duration, error) {
			_, err := places[0].Query(ctx, "")
			return 0, err
		})
		synctest.Wait()
		places[0].hangs.Store(true)
		began := time.Now()
		from, err := readOnce(ctx, r)
		if took := time.Since(began); from != "primary" || err != nil || took > watchEvery+watchTimeout {
			t.Errorf("answered by %s, %v, after %v of fake time", from, err, took)
		}
		places[0].hangs.Store(false)
		time.Sleep(watchEvery + watchTimeout) // fake time: the watcher's next look but one
		if from, err := readOnce(ctx, r); from != "replica" || err != nil {
			t.Errorf("well again, answered by %s, %v", from, err)
		}
		stop()
		synctest.Wait()
	})
}

func TestReplicaTooFarBehind(t *testing.T) {
	r, _, _ := testReplicas(1)
	life := r.all[0].alive
	r.checked(r.all[0], time.Second+1, nil)
	if from, _ := readOnce(t.Context(), r); from != "primary" {
		t.Errorf("more than the limit behind, %s answers", from)
	}
	if life.Err() != nil {
		t.Error("its reads in flight were cut off, though it answers")
	}
	r.tooFarBehind = 0
	r.checked(r.all[0], time.Hour, nil)
	if from, _ := readOnce(t.Context(), r); from != "replica" {
		t.Errorf("read blindly, %s answers", from)
	}
}

// For the race detector: many readers while replicas come and go.
func TestReadsWhileReplicasComeAndGo(t *testing.T) {
	r, _, places := testReplicas(3)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 2000 {
				if _, err := readOnce(t.Context(), r); err != nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	for i := range 300 {
		p := i % 2 // the third always stays
		places[p].fail(errGone)
		r.checked(r.all[p], 0, errGone)
		places[p].err.Store(nil)
		r.checked(r.all[p], 0, nil)
	}
	readers.Wait()
	if total := r.replicaReads.Load() + r.primaryReads.Load() - r.failures.Load(); total != 16_000 {
		t.Errorf("%d reads answered, want 16000", total)
	}
}
