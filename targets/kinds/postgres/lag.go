// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/internal/host"
	"headroom/targets/machine/spec"
)

const (
	lagPollInterval = 100 * time.Millisecond
	lagIdlePolls    = 10   // between two samples while there is no standby
	lagPollsKept    = 6000 // 10 minutes
	lagPollTimeout  = 3 * time.Second
)

// lagSQL reads where each standby is. The database is postgres, not the
// application's, whose counters of commits must not count this. A base backup that is being
// taken streams too.
const lagSQL = `
SELECT application_name, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
       pg_wal_lsn_diff(replay_lsn, '0/0')::bigint,
       coalesce(extract(epoch FROM replay_lag) * 1000, 0)::float8
  FROM pg_stat_replication
 WHERE replay_lsn IS NOT NULL AND application_name <> 'pg_basebackup'`

// standby is the state of one standby at a poll, in bytes of the log.
type standby struct {
	name     string
	current  int64   // what the primary had written
	replayed int64   // what the standby showed
	ms       float64 // between the two, as PostgreSQL measured it last
}

// lagSampler polls a primary's standbys ten times a second and keeps the samples.
type lagSampler struct {
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	history lagHistory
	failure error // of the last poll
}

// start begins to poll; close ends it.
func (s *lagSampler) start(dsn string) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan struct{})
	go s.run(ctx, dsn)
}

func (s *lagSampler) close() {
	if s.stop != nil {
		s.stop()
		<-s.done
	}
}

func (s *lagSampler) run(ctx context.Context, dsn string) {
	defer close(s.done)
	var conn *pgx.Conn
	tick := time.NewTicker(lagPollInterval)
	defer tick.Stop()
	for wait := 0; ; wait-- {
		select {
		case <-ctx.Done():
			if conn != nil {
				closing, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = conn.Close(closing)
			}
			return
		case <-tick.C:
		}
		if wait > 0 {
			continue
		}
		var found int
		if conn, found = s.poll(ctx, dsn, conn); found == 0 {
			wait = lagIdlePolls
		}
	}
}

// poll takes one sample of every standby on the connection, which it opens when
// there is none, and returns how many there were.
func (s *lagSampler) poll(ctx context.Context, dsn string, conn *pgx.Conn) (*pgx.Conn, int) {
	ctx, cancel := context.WithTimeout(ctx, lagPollTimeout)
	defer cancel()
	var err error
	if conn == nil || conn.IsClosed() {
		conn, err = pgx.Connect(ctx, dsn)
	}
	var standbys []standby
	at, clockErr := host.MonotonicNanos()
	if err == nil && clockErr == nil {
		standbys, err = readStandbys(ctx, conn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if clockErr != nil {
		err = clockErr
	}
	s.failure = err
	if err == nil && len(standbys) > 0 {
		s.history.add(at, standbys)
	}
	return conn, len(standbys)
}

func readStandbys(ctx context.Context, conn *pgx.Conn) ([]standby, error) {
	rows, err := conn.Query(ctx, lagSQL)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s standby, err error) {
		err = row.Scan(&s.name, &s.current, &s.replayed, &s.ms)
		return s, err
	})
}

// between returns the samples of a window. It is an error when there is no sample and
// the last poll failed: no replicas and no answer are not the same.
func (s *lagSampler) between(from, till int64) ([]spec.LagSample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := s.history.between(from, till)
	if len(samples) == 0 && s.failure != nil {
		return nil, fmt.Errorf("sampling the standbys: %w", s.failure)
	}
	return samples, nil
}

// lagPoll is one poll of all standbys.
type lagPoll struct {
	at      int64 // monotonic nanoseconds
	current int64 // the primary's position in its log
	samples []spec.LagSample
}

// lagHistory is the last lagPollsKept polls.
type lagHistory struct {
	polls []lagPoll
	next  int // which of them is the oldest, once there are lagPollsKept
}

// back returns the poll that was n before the last, or nil.
func (h *lagHistory) back(n int) *lagPoll {
	if n >= len(h.polls) {
		return nil
	}
	return &h.polls[(h.next-1-n+2*len(h.polls))%len(h.polls)]
}

// add keeps a poll.
func (h *lagHistory) add(at int64, standbys []standby) {
	poll := lagPoll{at: at, samples: make([]spec.LagSample, len(standbys))}
	for i, s := range standbys {
		poll.current = max(poll.current, s.current)
		poll.samples[i] = spec.LagSample{
			MonotonicNano: at, Replica: s.name, Bytes: max(0, s.current-s.replayed), Ms: h.lagMs(at, s),
		}
	}
	if len(h.polls) < lagPollsKept {
		h.polls = append(h.polls, poll)
		h.next = len(h.polls)
		return
	}
	h.polls[h.next%lagPollsKept] = poll
	h.next = h.next%lagPollsKept + 1
}

// lagMs corrects the lag that PostgreSQL measured. PostgreSQL measures it only when a
// standby answers that it has replayed more. A standby that stopped answering would
// keep its last, small lag. Its lag is at least the age of the oldest poll at which
// the primary had written what the standby has not replayed. A standby that has
// replayed everything would keep its last lag for seconds after the last write. Its
// lag is 0.
func (h *lagHistory) lagMs(at int64, s standby) float64 {
	last := h.back(0)
	if s.replayed >= s.current && (last == nil || last.current >= s.current) {
		return 0
	}
	ms := s.ms
	for n := 0; ; n++ {
		earlier := h.back(n)
		if earlier == nil || earlier.current <= s.replayed {
			return ms
		}
		ms = max(ms, float64(at-earlier.at)/float64(time.Millisecond))
	}
}

// between returns the samples of a window in the order of time, [] for none.
func (h *lagHistory) between(from, till int64) []spec.LagSample {
	samples := []spec.LagSample{}
	for n := len(h.polls) - 1; n >= 0; n-- {
		if poll := h.back(n); poll.at >= from && poll.at <= till {
			samples = append(samples, poll.samples...)
		}
	}
	return samples
}
