// SPDX-License-Identifier: Apache-2.0

// Package shop is the reference application: a shop with users, posts, orders,
// search, checkout and static assets. It is one small program, meant to be read:
// every pattern that a scenario measures, and every fault of phase 1, has a file of
// its own and is switched by Config.
//
// Each family of patterns is a package:
//
//   - store has the words in which all others talk: what there is, and who reads and
//     writes it;
//   - postgres is one database: the feed and the orders well and badly read, read
//     replicas;
//   - shards is several databases;
//   - cache is cache-aside, on Valkey or memcached, and sessions that read their own
//     writes;
//   - email confirms orders: within the request, after it, or by a queue of jobs;
//   - mail stands for the provider that sends the e-mails, a program of its own;
//   - plant makes the shop worse in known ways;
//   - dataset makes the rows, and fill says what requests do to a cache.
//
// Here stands what serves. A request takes this way: routes.go (which handler) ->
// instrument.go (correlation id, session, metrics, errors) -> handlers.go -> a
// store.Reader and a store.Writer. These compose, from the inside out: postgres.Store
// is one database, whose reads postgres.Replicas spreads over its copies; shards.Store
// stands before several of them; pages renders what is found; cache.Aside stands
// before pages when there is a cache; purging tells the edges of a CDN (purge.go).
// compose puts them together.
package shop

import (
	"context"
	"io"
	"log/slog"
	"time"

	"headroom/targets/jobs/queue"
	"headroom/targets/program"
	"headroom/targets/shop/cache"
	"headroom/targets/shop/email"
	"headroom/targets/shop/plant"
	"headroom/targets/shop/postgres"
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
	d, err := postgres.Open(c.databases(), log)
	if err != nil {
		return err
	}
	defer d.Close()
	defer inBackground(ctx, d.Watch)()
	a, dependencies, aside := &api{pools: d.Pools, plant: c.Plant}, d.Health, (*cache.Aside)(nil)
	compose(a, c, d)
	if c.Cache != "" {
		v := cache.OpenValkey(c.Cache)
		defer v.Close()
		a.filler = v.Filler(a.reader, c.PoolSize)
		aside = addCache(a, c, v, log)
		dependencies = append(dependencies, program.Dependency{Name: "cache", Ping: v.Ping})
	}
	if c.Pages != "" {
		m := cache.OpenMemcached(c.Pages, c.CacheTTL, c.CacheWrite == "delete")
		defer m.Close()
		a.filler = m.Filler(a.reader, c.PoolSize)
		aside = cache.NewAside(m, a.reader, a.writer, log)
		a.reader, a.writer = aside, aside
		dependencies = append(dependencies, program.Dependency{Name: "pages", Ping: m.Ping})
	}
	p := newPurges(log, c.Edges...)
	if c.Purge == "write" {
		defer inBackground(ctx, p.run)()
		a.writer = purging{a.writer, p.feed}
		a.behind = append(a.behind, unfinished{"purges", p.left})
	}
	send, closeIdle := email.Client(c.Mail)
	defer closeIdle()
	var stopEmail func()
	a.confirmer, stopEmail, err = newConfirmer(ctx, c, send, log)
	if err != nil {
		return err
	}
	defer stopEmail()
	if mails, later := a.confirmer.(*email.Background); later {
		a.behind = append(a.behind, unfinished{"confirmations", mails.Left})
	}

	m := newMetrics()
	own := counters(m)
	own.addDatabases(d.Pools, d.Routers)
	own.addCache(aside)
	own.addPurges(p)
	if q, queues := a.confirmer.(*email.Queue); queues {
		dependencies = append(dependencies, program.Dependency{Name: "queue", Ping: q.Ping})
		own.addJobs(q)
	}
	own.register(m.registry)
	return program.Serve(ctx, c.Listen, plant.Burn(c.Burn, routes(a, m, own, dependencies, log)), log)
}

// compose puts the stores together, from the database outwards: replicas of
// each database are within d already.
func compose(a *api, c Config, d *postgres.Databases) {
	if len(d.Shards) == 1 {
		one := d.Shards[0]
		a.reader, a.writer, a.searcher = pages{one}, one, one
		return
	}
	databases := make([]shards.Database, len(d.Shards))
	for i, one := range d.Shards {
		databases[i] = one
	}
	all := shards.NewStore(databases, c.Node)
	a.reader, a.writer, a.searcher = pages{all}, all, all
}

// addCache stands before what a has. Only with replicas is there a past to
// guard against.
func addCache(a *api, c Config, v cache.Valkey, log *slog.Logger) *cache.Aside {
	plain := cache.NewPlain(v, c.CacheTTL, c.CacheWrite == "delete")
	var kept cache.Pages = plain
	if len(c.Replicas) > 0 && c.OwnWrites == "primary" {
		marked := cache.NewMarked(plain, c.OwnWritesFor)
		kept = marked
		a.searcher = marked.Searcher(a.searcher)
	}
	aside := cache.NewAside(kept, a.reader, a.writer, log)
	a.reader, a.writer = aside, aside
	return aside
}

// newConfirmer returns how confirmations are sent, and what ends it: after
// ctx, the queue has program.StopTimeout to drain.
func newConfirmer(ctx context.Context, c Config, send email.Send, log *slog.Logger) (confirmer, func(), error) {
	switch c.Email {
	case "inline":
		return email.Inline{Send: send}, func() {}, nil
	case "queue":
		q, err := queue.Open(c.Queue, "shop", log)
		if err != nil {
			return nil, nil, err
		}
		return email.NewQueue(q), q.Close, nil
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	background := email.NewBackground(send, log)
	background.Start(sending)
	return background, func() {
		defer time.AfterFunc(program.StopTimeout, cancel).Stop()
		background.Stop()
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
