// SPDX-License-Identifier: Apache-2.0

// Package worker takes jobs from the queue and does them: sends mails, renders
// images, counts orders.
//
// The way of a job: take.go (fetched in order, a bounded number at once) ->
// once.go (was it done already?) -> effects.go (do it) -> acknowledged. A job is
// acknowledged only after its effect: who dies between the two leaves it to the
// queue, which gives it to another after queue.AckWait. So nothing is lost, and
// some jobs come twice: at least once, not exactly once.
package worker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"headroom/targets/jobs"
	"headroom/targets/jobs/queue"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
	"headroom/targets/valkeypool"
)

const (
	cacheLimit = time.Second // of one step with Valkey: a worker is in no hurry
	// jobLimit ends before the queue gives the job to another.
	jobLimit = queue.AckWait - time.Second
)

// Run works until ctx ends: what is in hand then is finished within
// program.StopTimeout or given back. It starts and stays up whether or not its
// queue and cache are there; GET /health tells. The error says why it could not
// work; a stop by ctx is none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	q, err := queue.Open(c.Queue, "worker", log)
	if err != nil {
		return err
	}
	defer q.Close()
	cache := valkeypool.Open(c.Cache, cacheLimit)
	defer cache.Close()

	takers := newTakers(c, q, cache, log)
	working, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	for _, t := range takers {
		done.Go(func() { t.run(working) })
	}
	err = program.Serve(ctx, c.Listen, routes(c, q, cache, takers), log)
	stop()
	done.Wait()
	return err
}

func newTakers(c Config, q *queue.Queue, cache *valkeypool.Pool, log *slog.Logger) []*taker {
	takers := make([]*taker, 0, len(c.Jobs))
	for _, kind := range c.Jobs {
		apply, slots := effectOf(kind, c, cache)
		handle := func(ctx context.Context, j jobs.Job) (bool, error) { return true, apply(ctx, j) }
		if c.Idempotent {
			handle = once(kind, newMarks(cache), apply)
			if kind == jobs.Analytics {
				handle = countOnce(cache)
			}
		}
		takers = append(takers, &taker{kind: kind, queue: q, slots: slots, handle: handle, order: newSequence(), log: log})
	}
	return takers
}

func routes(c Config, q *queue.Queue, cache *valkeypool.Pool, takers []*taker) http.Handler {
	mux := http.NewServeMux()
	dependencies := []program.Dependency{{Name: "queue", Ping: q.Ping}, {Name: "cache", Ping: cache.Ping}}
	for _, t := range takers {
		dependencies = append(dependencies, program.Dependency{Name: string(t.kind), Ping: t.taking})
	}
	mux.Handle("GET /health", program.Health(dependencies...))
	mux.Handle("GET /internal/counters", counters(takers))
	mux.HandleFunc("GET "+spec.BacklogPath, func(w http.ResponseWriter, r *http.Request) {
		backlog, err := q.Backlog(r.Context(), c.Jobs)
		if err != nil {
			program.Refuse(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		program.Answer(w, http.StatusOK, backlog)
	})
	return mux
}

// counters are those of all kinds together, and of each kind by its name.
func counters(takers []*taker) program.Counters {
	c := program.Counters{}
	for name, read := range map[string]func(*taker) int64{
		"delivered_total":   func(t *taker) int64 { return t.delivered.Load() },
		"redelivered_total": func(t *taker) int64 { return t.redelivered.Load() },
		"applied_total":     func(t *taker) int64 { return t.applied.Load() },
		"skipped_total":     func(t *taker) int64 { return t.skipped.Load() },
		"failed_total":      func(t *taker) int64 { return t.failed.Load() },
		"reordered_total":   func(t *taker) int64 { return t.reordered.Load() },
	} {
		c[name] = func() int64 {
			sum := int64(0)
			for _, t := range takers {
				sum += read(t)
			}
			return sum
		}
		for _, t := range takers {
			c[fmt.Sprintf("%s_%s", t.kind, name)] = func() int64 { return read(t) }
		}
	}
	return c
}
