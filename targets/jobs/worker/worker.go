// SPDX-License-Identifier: Apache-2.0

// Package worker takes jobs from the queue and does them: sends mails, renders
// images, counts orders.
//
// The way of a job: consume.go (fetched in order, a bounded number at once) ->
// once.go (was it done already?) -> effects.go (do it) -> acknowledged. A job is
// acknowledged only after its effect. When a worker dies between the two, the queue
// gives the job to another after queue.AckWait. So no job is lost, and some jobs come
// twice: at least once, not exactly once.
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
	cacheTimeout = time.Second // of one step with Valkey: a worker is in no hurry
	// jobTimeout ends before the queue gives the job to another.
	jobTimeout = queue.AckWait - time.Second
)

// Run works until ctx ends. Jobs in hand are then finished within
// program.StopTimeout, or given back. It starts and stays up whether or not its queue
// and cache are there; GET /health tells. The error says why it could not work; a
// stop by ctx is none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	q, err := queue.Open(c.Queue, "worker", log)
	if err != nil {
		return err
	}
	defer q.Close()
	cache := valkeypool.Open(c.Cache, cacheTimeout)
	defer cache.Close()

	consumers := newConsumers(c, q, cache, log)
	working, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	for _, t := range consumers {
		done.Go(func() { t.run(working) })
	}
	err = program.Serve(ctx, c.Listen, routes(c, q, cache, consumers), log)
	stop()
	done.Wait()
	return err
}

func newConsumers(c Config, q *queue.Queue, cache *valkeypool.Pool, log *slog.Logger) []*jobConsumer {
	consumers := make([]*jobConsumer, 0, len(c.Jobs))
	for _, kind := range c.Jobs {
		apply, slots := effectOf(kind, c, cache)
		handle := func(ctx context.Context, j jobs.Job) (bool, error) { return true, apply(ctx, j) }
		if c.Idempotent {
			handle = once(kind, newMarks(cache), apply)
			if kind == jobs.Analytics {
				handle = countOnce(cache)
			}
		}
		consumers = append(consumers, &jobConsumer{kind: kind, queue: q, slots: slots, handle: handle, order: newSequence(), log: log})
	}
	return consumers
}

func routes(c Config, q *queue.Queue, cache *valkeypool.Pool, consumers []*jobConsumer) http.Handler {
	mux := http.NewServeMux()
	dependencies := []program.Dependency{{Name: "queue", Ping: q.Ping}, {Name: "cache", Ping: cache.Ping}}
	for _, t := range consumers {
		dependencies = append(dependencies, program.Dependency{Name: string(t.kind), Ping: t.ready})
	}
	mux.Handle("GET /health", program.Health(dependencies...))
	mux.Handle("GET /internal/counters", counters(consumers))
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

// counters are the sums over all kinds of job, and the counters of each kind by its
// name.
func counters(consumers []*jobConsumer) program.Counters {
	c := program.Counters{}
	for name, read := range map[string]func(*jobConsumer) int64{
		"delivered_total":   func(c *jobConsumer) int64 { return c.delivered.Load() },
		"redelivered_total": func(c *jobConsumer) int64 { return c.redelivered.Load() },
		"applied_total":     func(c *jobConsumer) int64 { return c.applied.Load() },
		"skipped_total":     func(c *jobConsumer) int64 { return c.skipped.Load() },
		"failed_total":      func(c *jobConsumer) int64 { return c.failed.Load() },
		"reordered_total":   func(c *jobConsumer) int64 { return c.reordered.Load() },
	} {
		c[name] = func() int64 {
			sum := int64(0)
			for _, t := range consumers {
				sum += read(t)
			}
			return sum
		}
		for _, t := range consumers {
			c[fmt.Sprintf("%s_%s", t.kind, name)] = func() int64 { return read(t) }
		}
	}
	return c
}
