// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/jobs/queue"
	"headroom/targets/program"
	"headroom/targets/shop/shards"
)

// Run serves the shop until ctx ends, then stops within 9 s: 3 s at most for
// requests in flight, for waiting confirmations, and for connections. It starts
// whether or not its databases and cache are there; GET /health tells.
// Structured logs go to logOut: errors, slow requests, replicas that come and
// go, start and end. The error says why it could not serve; a stop by ctx is
// none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	d, err := openDatabases(c, log)
	if err != nil {
		return err
	}
	defer d.close()
	defer inBackground(ctx, d.watch)()
	a, dependencies, cache := &api{pools: d.pools, plant: c.Plant}, d.health, (*cacheAside)(nil)
	compose(a, c, d)
	if c.Cache != "" {
		v := openValkey(c.Cache)
		defer v.pool.Close()
		a.filler = &filler{v, a.reader, c.PoolSize}
		cache = addCache(a, c, v, log)
		dependencies = append(dependencies, dependency{"cache", v.ping})
	}
	if c.Pages != "" {
		pages := openMemcached(c.Pages, c.CacheTTL, c.CacheWrite == "delete")
		defer pages.close()
		a.filler = &filler{pages, a.reader, c.PoolSize}
		cache = &cacheAside{cache: pages, pages: a.reader, store: a.writer, log: log}
		a.reader, a.writer = cache, cache
		dependencies = append(dependencies, dependency{"pages", pages.ping})
	}
	p := newPurges(log, c.Edges...)
	if c.Purge == "write" {
		defer inBackground(ctx, p.run)()
		a.writer = purging{a.writer, p.feed}
		a.behind = append(a.behind, unfinished{"purges", p.left})
	}
	send, closeIdle := mailClient(c.Mail)
	defer closeIdle()
	var stopEmail func()
	a.confirmer, stopEmail, err = newConfirmer(ctx, c, send, log)
	if err != nil {
		return err
	}
	defer stopEmail()
	if mails, later := a.confirmer.(*backgroundEmail); later {
		a.behind = append(a.behind, unfinished{"confirmations", mails.left})
	}

	m := newMetrics()
	own := counters(m)
	own.addDatabases(d.pools, d.routers)
	own.addCache(cache)
	own.addPurges(p)
	if q, queues := a.confirmer.(*queueEmail); queues {
		dependencies = append(dependencies, dependency{"queue", q.queue.Ping})
		q.count(own)
	}
	own.register(m.registry)
	return program.Serve(ctx, c.Listen, burning(newBurner(c.Burn), routes(a, m, own, dependencies, log)), log)
}

// compose puts the stores together, from the database outwards: replicas of
// each database are within d already.
func compose(a *api, c Config, d *databases) {
	var all store = d.shards[0]
	if len(d.shards) > 1 {
		s := &sharded{router: shards.ByHash{N: len(d.shards)}, ids: &idMaker{node: int64(c.Node), now: time.Now}}
		for _, one := range d.shards {
			s.shards = append(s.shards, one)
		}
		all = s
	}
	a.reader, a.writer, a.searcher = pages{all}, all, all
}

// addCache stands before what a has. Only with replicas is there a past to
// guard against.
func addCache(a *api, c Config, v valkey, log *slog.Logger) *cacheAside {
	plain := plainCache{v, c.CacheTTL, c.CacheWrite == "delete"}
	cache := &cacheAside{cache: plain, pages: a.reader, store: a.writer, log: log}
	if len(c.Replicas) > 0 && c.OwnWrites == "primary" {
		marked := markedCache{plain, c.OwnWritesFor}
		cache.cache = marked
		a.searcher = ownSearch{a.searcher, marked.wroteLately}
	}
	a.reader, a.writer = cache, cache
	return cache
}

func newPostgres(c Config, pool *pgxpool.Pool, reads viewer) *postgres {
	store := &postgres{pool: pool, reads: reads, feed: feedByJoin, orders: ordersLimited}
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

// inBackground runs work until ctx ends or the returned function is called,
// which waits for its end.
func inBackground(ctx context.Context, work func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		work(ctx)
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
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
