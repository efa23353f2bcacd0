package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
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
	tooFarBehind := c.OwnWritesFor / 2 // a watcher may see it late by watchEvery
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
			if err := d.addReplica(router, numbered("replica", j, len(c.Replicas)), c.Replicas[j], c.PoolSize); err != nil {
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

func (d *databases) addReplica(router *replicas, name, address string, size int) error {
	pool, watch, err := d.open(address, size)
	if err != nil {
		return err
	}
	p := router.add(name, pool, pool.Reset)
	d.health = append(d.health, dependency{name, func(context.Context) error { return router.status(p) }})
	d.watchers = append(d.watchers, func(ctx context.Context) {
		router.watch(ctx, p, func(ctx context.Context) (time.Duration, error) { return behind(ctx, watch) })
	})
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

// errCutOff is a replica that answers and yet shows an ever older past.
var errCutOff = errors.New("it receives nothing from its primary")

// behind asks a replica how far it is behind its primary: nothing when it has
// replayed all that it received, else the age of the last commit that it did
// replay, by the two machines' clocks. pg_stat_wal_receiver has a row while the
// replica is connected.
func behind(ctx context.Context, db querier) (time.Duration, error) {
	const sql = `SELECT EXISTS (SELECT FROM pg_stat_wal_receiver),
		CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
		ELSE COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8`
	type answer struct {
		connected bool
		seconds   float64
	}
	said, err := one(ctx, db, func(row pgx.CollectableRow) (a answer, err error) {
		err = row.Scan(&a.connected, &a.seconds)
		return a, err
	}, sql)
	if err != nil {
		return 0, fmt.Errorf("health check: %w", err)
	}
	if !said.connected {
		return 0, errCutOff
	}
	return time.Duration(said.seconds * float64(time.Second)), nil
}

// numbered is "database" when there is one, else "database 0" and so on: the
// numbers of shards.
func numbered(name string, i, of int) string {
	if of == 1 {
		return name
	}
	return name + " " + strconv.Itoa(i)
}
