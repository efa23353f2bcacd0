package shop

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/jobs/queue"
	"headroom/targets/program"
)

// Run serves the shop until ctx ends, then stops within 12 s: 3 s at
// most for requests in flight, for waiting confirmations, and for each of two
// pools. It starts whether or
// not its database and cache are there; GET /health tells. Structured logs go
// to logOut: errors, slow requests, start and end. The error says why it could
// not serve; a stop by ctx is none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	pool, err := openPool(c.Database, c.PoolSize)
	if err != nil {
		return err
	}
	defer within(program.StopTimeout, pool.Close)
	watch, err := openPool(c.Database, 1)
	if err != nil {
		return err
	}
	defer within(program.StopTimeout, watch.Close)

	store := newPostgres(c, pool)
	a := &api{reader: pages{store}, writer: store, searcher: store}
	dependencies := []dependency{{"database", watch.Ping}}
	cache := (*cacheAside)(nil)
	if c.Cache != "" {
		v := openValkey(c.Cache)
		defer v.pool.Close()
		cache = &cacheAside{cache: v, pages: a.reader, store: store, ttl: c.CacheTTL, deleteOnSave: c.CacheWrite == "delete", log: log}
		a.reader, a.writer = cache, cache
		dependencies = append(dependencies, dependency{"cache", v.ping})
	}
	send, closeIdle := mailClient(c.Mail)
	defer closeIdle()
	var stopEmail func()
	a.confirmer, stopEmail, err = newConfirmer(ctx, c, send, log)
	if err != nil {
		return err
	}
	defer stopEmail()

	m := newMetrics()
	own := counters(m, pool, cache)
	if q, queues := a.confirmer.(*queueEmail); queues {
		dependencies = append(dependencies, dependency{"queue", q.queue.Ping})
		q.count(own)
	}
	own.register(m.registry)
	return program.Serve(ctx, c.Listen, routes(a, m, own, dependencies, log), log)
}

func newPostgres(c Config, pool *pgxpool.Pool) *postgres {
	store := &postgres{pool: pool, feed: feedByJoin, orders: ordersLimited}
	if c.Feed == "n_plus_1" {
		store.feed = feedByNPlus1
	}
	if c.Orders == "unbounded" {
		store.orders = ordersUnbounded
	}
	return store
}

// newConfirmer returns how confirmations are sent, and what ends it: after
// ctx, the queue has program.StopTimeout to drain.
func newConfirmer(ctx context.Context, c Config, send sendEmail, log *slog.Logger) (confirmer, func(), error) {
	switch c.Email {
	case "inline":
		return inlineEmail{send}, func() {}, nil
	case "queue":
		q, err := queue.Open(c.Queue, "shop", log)
		if err != nil {
			return nil, nil, err
		}
		return &queueEmail{queue: q, publisher: queue.NewPublisher(q)}, q.Close, nil
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	background := newBackgroundEmail(send, log)
	background.start(sending)
	return background, func() {
		defer time.AfterFunc(program.StopTimeout, cancel).Stop()
		background.stop()
		cancel()
	}, nil
}

// within waits for stop to return, but not longer than limit: a pool waits for
// its connections without end.
func within(limit time.Duration, stop func()) {
	done := make(chan struct{})
	go func() {
		stop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
