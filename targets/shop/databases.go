// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"log/slog"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/program"
)

// databases are every database of the shop: its connections, and who watches
// them.
type databases struct {
	shards  []*postgres
	routers []*replicas // one a shard
	pools   []*pgxpool.Pool
	health  []dependency
	// watched are the pools of the watchers, a connection each.
	watched  []*pgxpool.Pool
	watchers []func(ctx context.Context)
}

// openDatabases prepares all that c names; replica i is a copy of database i,
// counted round. Nothing connects yet. On an error all is closed again.
func openDatabases(c Config, log *slog.Logger) (d *databases, err error) {
	d = &databases{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	tooFarBehind := c.OwnWritesFor / 2 // the other half is the meter's: it may be late by watchEvery
	if c.OwnWrites == "replica" {
		tooFarBehind = 0
	}
	for i, address := range c.Databases {
		pool, watch, err := d.open(address, c.PoolSize)
		if err != nil {
			return d, err
		}
		d.health = append(d.health, dependency{numbered("database", i, len(c.Databases)), watch.Ping})
		router := newReplicas(pool, tooFarBehind, log)
		for j := i; j < len(c.Replicas); j += len(c.Databases) {
			name := numbered("replica", j, len(c.Replicas))
			if err := d.addReplica(router, watch, name, c.Replicas[j], c.PoolSize); err != nil {
				return d, err
			}
		}
		d.routers = append(d.routers, router)
		d.shards = append(d.shards, newPostgres(c, pool, router))
	}
	return d, nil
}

// open prepares a pool for requests, and one of a single connection to watch
// by: see health.
func (d *databases) open(address string, size int) (pool, watch *pgxpool.Pool, err error) {
	pool, err = openPool(address, size)
	if err != nil {
		return nil, nil, err
	}
	d.pools = append(d.pools, pool)
	watch, err = openPool(address, 1)
	if err != nil {
		return nil, nil, err
	}
	d.watched = append(d.watched, watch)
	return pool, watch, nil
}

func (d *databases) addReplica(router *replicas, primary querier, name, address string, size int) error {
	pool, watch, err := d.open(address, size)
	if err != nil {
		return err
	}
	p := router.add(name, pool, pool.Reset)
	d.health = append(d.health, dependency{name, func(context.Context) error { return router.status(p) }})
	meter := &lagMeter{primary: primary, replica: watch}
	d.watchers = append(d.watchers, func(ctx context.Context) { router.watch(ctx, p, meter.behind) })
	return nil
}

// watch keeps the watchers going until ctx ends.
func (d *databases) watch(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range d.watchers {
		all.Go(func() { w(ctx) })
	}
	all.Wait()
}

// close takes program.StopTimeout at most.
func (d *databases) close() {
	within(program.StopTimeout, func() {
		var all sync.WaitGroup
		for _, pools := range [][]*pgxpool.Pool{d.pools, d.watched} {
			for _, p := range pools {
				all.Go(p.Close)
			}
		}
		all.Wait()
	})
}

// numbered is "database" when there is one, else "database 0" and so on: the
// numbers of shards.
func numbered(name string, i, of int) string {
	if of == 1 {
		return name
	}
	return name + " " + strconv.Itoa(i)
}
