// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/program"
)

// Config is which databases there are, and how they are read. Words such as those of
// Feed and Orders are those of the shop's settings.
type Config struct {
	Databases    []string      // host:port; several are shards
	Replicas     []string      // host:port; replica i is a copy of database i, counted round
	PoolSize     int           // connections at most to each database and replica; one more watches its health
	Feed         string        // "join" or "n_plus_1"
	Orders       string        // "limited" or "unbounded"
	TooFarBehind time.Duration // a replica that shows the past by more takes no reads; 0: none is too far
}

// Databases are every database of the shop: its connections, and who watches
// them.
type Databases struct {
	Shards  []*Store
	Routers []*Replicas // one a shard
	Pools   []*pgxpool.Pool
	Health  []program.Dependency // its errors are Degraded where the shop goes on
	// watched are the pools of the watchers, a connection each.
	watched  []*pgxpool.Pool
	watchers []func(ctx context.Context)
}

// Open prepares all that c names. Nothing connects yet. On an error all is closed
// again.
func Open(c Config, log *slog.Logger) (d *Databases, err error) {
	d = &Databases{}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	for i, address := range c.Databases {
		pool, watch, err := d.open(address, c.PoolSize)
		if err != nil {
			return d, err
		}
		d.Health = append(d.Health, program.Dependency{Name: numbered("database", i, len(c.Databases)), Ping: watch.Ping})
		router := newReplicas(pool, c.TooFarBehind, log)
		for j := i; j < len(c.Replicas); j += len(c.Databases) {
			name := numbered("replica", j, len(c.Replicas))
			if err := d.addReplica(router, watch, name, c.Replicas[j], c.PoolSize); err != nil {
				return d, err
			}
		}
		d.Routers = append(d.Routers, router)
		d.Shards = append(d.Shards, newStore(c, pool, router))
	}
	return d, nil
}

// open prepares a pool for requests, and one of a single connection to watch
// by: see health.go of the shop.
func (d *Databases) open(address string, size int) (pool, watch *pgxpool.Pool, err error) {
	pool, err = openPool(address, size)
	if err != nil {
		return nil, nil, err
	}
	d.Pools = append(d.Pools, pool)
	watch, err = openPool(address, 1)
	if err != nil {
		return nil, nil, err
	}
	d.watched = append(d.watched, watch)
	return pool, watch, nil
}

func (d *Databases) addReplica(router *Replicas, primary querier, name, address string, size int) error {
	pool, watch, err := d.open(address, size)
	if err != nil {
		return err
	}
	p := router.add(name, pool, pool.Reset)
	d.Health = append(d.Health, program.Dependency{Name: name, Ping: func(context.Context) error { return router.status(p) }})
	meter := &lagMeter{primary: primary, replica: watch}
	d.watchers = append(d.watchers, func(ctx context.Context) { router.watch(ctx, p, meter.behind) })
	return nil
}

// Watch keeps the watchers going until ctx ends.
func (d *Databases) Watch(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range d.watchers {
		all.Go(func() { w(ctx) })
	}
	all.Wait()
}

// Close takes program.StopTimeout at most.
func (d *Databases) Close() {
	within(program.StopTimeout, func() {
		var all sync.WaitGroup
		for _, pools := range [][]*pgxpool.Pool{d.Pools, d.watched} {
			for _, p := range pools {
				all.Go(p.Close)
			}
		}
		all.Wait()
	})
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

// numbered is "database" when there is one, else "database 0" and so on: the
// numbers of shards.
func numbered(name string, i, of int) string {
	if of == 1 {
		return name
	}
	return name + " " + strconv.Itoa(i)
}
