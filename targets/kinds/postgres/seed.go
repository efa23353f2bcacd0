// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/shop/dataset"
)

const (
	markerFile = "COMPLETE"
	seedingDir = "seeding"
	seedPort   = 5432 // names the socket only: the seeding server has no TCP port
	seedReady  = 30 * time.Second
	seedPoll   = 50 * time.Millisecond
	seedStop   = 60 * time.Second
)

// marker says what a finished dataset holds; it is written last.
type marker struct {
	Dataset scenarios.Dataset `json:"dataset"`
	Version string            `json:"version"`
}

func markerFor(size scenarios.Dataset) marker {
	return marker{Dataset: size, Version: fmt.Sprint(dataset.Version)}
}

// check returns nil when dir holds exactly this dataset, complete.
func (m marker) check(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, markerFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s holds no finished dataset: it must be seeded first", dir)
	}
	if err != nil {
		return err
	}
	var found marker
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Errorf("%s/%s: %w", dir, markerFile, err)
	}
	if found != m {
		return fmt.Errorf("%s holds another dataset (%+v, not %+v): it must be seeded again", dir, found, m)
	}
	return nil
}

// pgdataNames are the data directories of a dataset: one, or one a shard.
func pgdataNames(size scenarios.Dataset) []string {
	if size.Shards == 0 {
		return []string{"pgdata"}
	}
	names := make([]string, size.Shards)
	for i := range names {
		names[i] = shardData(i + 1)
	}
	return names
}

// shardData is the data directory of shard copy, from 1.
func shardData(copy int) string { return "pgdata-" + strconv.Itoa(copy) }

// Seed fills dir, the dataset volume, with the PostgreSQL data directories that
// together hold a shop of this size. It returns at once when that is already there. Of
// several seeders one works and the others wait for it; what a killed one left
// is removed. Progress and the server's log go to logOut.
func Seed(ctx context.Context, size scenarios.Dataset, dir string, logOut io.Writer) (err error) {
	want := markerFor(size)
	if want.check(dir) == nil {
		return nil
	}
	unlock, err := child.LockDir(ctx, dir)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer unlock()
	if want.check(dir) == nil {
		return nil // another seeder was faster
	}
	// In a container everything of a killed seeder is gone with it.
	if _, err := child.StopUnder(ctx, dir); err != nil {
		return fmt.Errorf("seed: stopping what a killed seeder left: %w", err)
	}
	if err := removeOld(dir); err != nil {
		return fmt.Errorf("seed: removing what was there: %w", err)
	}
	out, family, temp := child.NewLines(logOut), &child.Family{}, filepath.Join(dir, seedingDir)
	for shard, name := range pgdataNames(size) {
		s := seeder{dir: temp, name: name, shard: shard, out: out, family: family}
		if err := s.make(ctx, size); err != nil {
			return errors.Join(fmt.Errorf("seed: %w", err), os.RemoveAll(temp))
		}
	}
	return publish(dir, want)
}

// removeOld removes what an earlier seeder made, the mark of completeness first.
func removeOld(dir string) error {
	data, err := filepath.Glob(filepath.Join(dir, "pgdata*"))
	if err != nil {
		return err
	}
	for _, old := range append([]string{filepath.Join(dir, markerFile), filepath.Join(dir, seedingDir)}, data...) {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	return nil
}

// publish moves finished data directories into place and marks them complete.
func publish(dir string, m marker) error {
	temp := filepath.Join(dir, seedingDir)
	for _, name := range pgdataNames(m.Dataset) {
		if err := os.Rename(filepath.Join(temp, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	if err := machine.SyncFS(dir); err != nil { // the server ran without fsync
		return fmt.Errorf("seed: writing to disk: %w", err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	half := filepath.Join(temp, markerFile)
	if err := os.WriteFile(half, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := os.Rename(half, filepath.Join(dir, markerFile)); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return os.RemoveAll(temp)
}

// seeder makes one data directory inside its folder.
type seeder struct {
	dir    string
	name   string // of the data directory
	shard  int    // whose rows it gets, from 0
	out    *child.Lines
	family *child.Family
}

func (s *seeder) dataDir() string { return filepath.Join(s.dir, s.name) }

func (s *seeder) make(ctx context.Context, size scenarios.Dataset) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if err := machine.ChownTo(pgUser, s.dir); err != nil {
		return err
	}
	initdb, err := pgCommand(s.dir, "initdb", "-D", s.dataDir(), "-U", pgUser, "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return err
	}
	if err := s.family.Run(ctx, initdb, child.Options{Name: "initdb", Out: s.out}); err != nil {
		return err
	}
	if err := s.trustNetwork(); err != nil {
		return err
	}
	return s.fill(ctx, size)
}

// trustNetwork lets everybody in without a password, replicas too: a machine's
// database is reachable from the run's own container network and nowhere else.
func (s *seeder) trustNetwork() error {
	const hba = "local all all trust\nhost all all all trust\nhost replication all all trust\n"
	return os.WriteFile(filepath.Join(s.dataDir(), "pg_hba.conf"), []byte(hba), 0o600)
}

// seedSettings trade durability for speed, which is safe as a dataset counts
// only once complete, and keep the write-ahead log, which every machine copies,
// short.
var seedSettings = []string{
	"listen_addresses=",
	"port=" + strconv.Itoa(seedPort),
	"shared_preload_libraries=pg_stat_statements",
	"fsync=off", "synchronous_commit=off", "full_page_writes=off",
	"wal_level=minimal", "max_wal_senders=0", "max_wal_size=512MB", "min_wal_size=32MB", "wal_recycle=off",
	"shared_buffers=256MB", "maintenance_work_mem=256MB", "log_checkpoints=off",
}

// fill runs a server over the new directory, has the shop's data written, and
// stops it cleanly.
func (s *seeder) fill(ctx context.Context, size scenarios.Dataset) (err error) {
	cmd, err := pgCommand(s.dir, "postgres",
		pgServerArgs(s.dataDir(), append([]string{"unix_socket_directories=" + s.dir}, seedSettings...))...)
	if err != nil {
		return err
	}
	server, err := s.family.Start(cmd, child.Options{Name: "postgres", Stop: unix.SIGINT, Out: s.out})
	if err != nil {
		return err
	}
	defer func() {
		if server.Stop(seedStop) {
			err = errors.Join(err, fmt.Errorf("the server did not stop within %v", seedStop))
		} else if !cmd.ProcessState.Success() && err == nil {
			err = server.Log.Explain(fmt.Errorf("the server stopped with %w", server.Death()))
		}
	}()
	if err := awaitPostgres(ctx, s.dir, server); err != nil {
		return err
	}
	begin := time.Now()
	if err := dataset.Seed(ctx, pgDSN(s.dir, seedPort, "postgres"), size, s.shard); err != nil {
		return server.Log.Explain(err)
	}
	fmt.Fprintf(s.out, "seed | %s of %d users, %d posts, %d orders in %.1f s\n",
		s.name, size.Users, size.Posts, size.Orders, time.Since(begin).Seconds())
	return nil
}

// awaitPostgres waits until a new server takes connections.
func awaitPostgres(ctx context.Context, socketDir string, server *child.Child) error {
	ctx, cancel := context.WithTimeout(ctx, seedReady)
	defer cancel()
	poll := time.NewTicker(seedPoll)
	defer poll.Stop()
	for {
		conn, err := pgx.Connect(ctx, pgDSN(socketDir, seedPort, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-poll.C:
		case <-server.Done():
			return server.Log.Explain(fmt.Errorf("the server died: %w", server.Death()))
		case <-ctx.Done():
			return server.Log.Explain(fmt.Errorf("the server does not answer: %w", err))
		}
	}
}
