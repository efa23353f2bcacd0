// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"

	"headroom/targets/jobs"
	"headroom/targets/jobs/queue"
	"headroom/targets/valkeypool"
)

const (
	claimTTL     = queue.AckWait // longer than jobTimeout: who claimed has ended, or is dead, when it is over
	doneTTL      = time.Hour     // longer than a job comes again
	claimedPause = time.Second   // before a job that another has in hand comes again
)

// errClaimed says that another worker has claimed the job.
var errClaimed = errors.New("another worker has this job in hand")

// once does each job of a kind once, as far as that can be had, setting
// idempotent: yes.
//
// Gives: a job that comes again is skipped. Costs: two steps with Valkey for every
// job, and a mark that is kept for an hour. When Valkey is away, no job is done: the
// job waits in the queue, and is not lost. A mark that Valkey evicts for want of
// memory is forgotten.
//
// A claim comes first and expires by itself; the mark "done" takes its place after
// the effect. A worker that dies between effect and mark leaves a claim that expires,
// and then the job is done again. No mark of ours can close that gap, because the
// effect happens elsewhere. The other side can close it. The mail provider refuses a
// second mail with the same Idempotency-Key. A picture rendered again is the same
// picture. countOnce keeps effect and mark in one place. With idempotent: no, every
// delivery is done: the fault. Measured by scenario final (after).
func once(kind jobs.Kind, m *marks, apply effect) func(context.Context, jobs.Job) (bool, error) {
	return func(ctx context.Context, j jobs.Job) (bool, error) {
		id := kind.ID(j.Order)
		done, err := m.claim(ctx, id)
		if err != nil || done {
			return false, err
		}
		err = apply(ctx, j)
		if err != nil && !errors.Is(err, errDuplicate) {
			m.release(ctx, id)
			return false, err
		}
		m.done(ctx, id)
		return err == nil, nil
	}
}

// marks remembers jobs in Valkey: a key for each, "done" or the name of the
// worker that has claimed it.
type marks struct {
	cache *valkeypool.Pool
	name  string // of this worker
}

const doneMark = "done"

func newMarks(cache *valkeypool.Pool) *marks {
	return &marks{cache: cache, name: strconv.FormatUint(rand.Uint64(), 36)}
}

func markOf(id string) string { return "job:" + id }

// claimScript returns what the key holds, after claiming it when it is free.
var claimScript = redis.NewScript(1, `
local holds = redis.call('GET', KEYS[1])
if holds then return holds end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''`)

// releaseScript ends a claim, if it is still the caller's.
var releaseScript = redis.NewScript(1, `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// claim says whether the job was done. When it was not, and there is no error, the
// job is the caller's.
func (m *marks) claim(ctx context.Context, id string) (done bool, err error) {
	holds, err := redis.String(m.cache.Run(ctx, claimScript, markOf(id), m.name, claimTTL.Milliseconds()))
	switch {
	case err != nil:
		return false, fmt.Errorf("claim %s: %w", id, err)
	case holds == doneMark:
		return true, nil
	case holds != "":
		return false, errClaimed
	}
	return false, nil
}

// done and release also run when the job's time is over. When they fail the
// claim ends by itself, and a job that comes again is done again.
func (m *marks) done(ctx context.Context, id string) {
	_, _ = m.cache.Do(context.WithoutCancel(ctx), "SET", markOf(id), doneMark, "PX", doneTTL.Milliseconds())
}

func (m *marks) release(ctx context.Context, id string) {
	_, _ = m.cache.Run(context.WithoutCancel(ctx), releaseScript, markOf(id), m.name)
}

// countScript counts an order of a user, unless the mark says that it was.
var countScript = redis.NewScript(2, `
if not redis.call('SET', KEYS[1], 'done', 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
return 1`)

// countOnce counts an order exactly once: effect and mark are one step in one
// store.
func countOnce(cache *valkeypool.Pool) func(context.Context, jobs.Job) (bool, error) {
	return func(ctx context.Context, j jobs.Job) (bool, error) {
		counted, err := redis.Bool(cache.Run(ctx, countScript,
			markOf(jobs.Analytics.ID(j.Order)), ordersKey, j.User, doneTTL.Milliseconds()))
		if err != nil {
			return false, fmt.Errorf("count order %d: %w", j.Order, err)
		}
		return counted, nil
	}
}
