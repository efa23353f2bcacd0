// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"headroom/internal/child"
	"headroom/targets/machine/spec"
)

// seedSettings trade durability for speed. That is safe, because a dataset is used
// only once it is complete. They also keep the write-ahead log short, because every
// machine copies it. The server listens as any other: the seed command connects by
// the network.
var seedSettings = []string{
	"fsync=off", "synchronous_commit=off", "full_page_writes=off",
	"wal_level=minimal", "max_wal_senders=0", "wal_keep_size=0", "max_wal_size=512MB", "min_wal_size=32MB", "wal_recycle=off",
	"maintenance_work_mem=256MB",
}

// analyze and then vacuum leave autovacuum nothing to do in a database. What
// initdb and CREATE EXTENSION write counts as change, so a server that has just started
// would vacuum 20 to 60 seconds later, in the middle of a measurement. ANALYZE comes
// first: it leaves dead rows in pg_statistic. Freezing makes no row due for a vacuum
// later.
const (
	analyze = "ANALYZE"
	vacuum  = "VACUUM (FREEZE)"
)

// initialise makes a new data directory: a server with the application's database and
// role, and with what the counters need. Nothing listens meanwhile.
func (s *server) initialise(ctx context.Context, dir string) error {
	initdb, err := pgCommand(s.host.Dir, "initdb", "-D", dir, "-U", pgUser, "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return err
	}
	if err := s.host.Runner.Run(ctx, initdb, child.Options{Name: "initdb", Out: s.host.Log}); err != nil {
		return err
	}
	if err := trustNetwork(dir); err != nil {
		return err
	}
	if err := s.runSingleUser(ctx, dir, pgUser,
		"CREATE ROLE "+spec.AppDatabase+" LOGIN",
		"CREATE DATABASE "+spec.AppDatabase+" OWNER "+spec.AppDatabase); err != nil {
		return err
	}
	// Made here, as a replica can't make its own.
	if err := s.runSingleUser(ctx, dir, spec.AppDatabase, "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION pg_prewarm"); err != nil {
		return err
	}
	for _, database := range []string{"template1", spec.AppDatabase} {
		for _, statement := range []string{analyze, vacuum} {
			// A run of its own: a session tells what a statement changed when the session
			// ends, or a second later (flushStatistics).
			if err := s.runSingleUser(ctx, dir, database, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// trustNetwork lets everybody in without a password, replicas too: a machine's
// database is reachable from the run's own container network and nowhere else.
func trustNetwork(dir string) error {
	const hba = "local all all trust\nhost all all all trust\nhost replication all all trust\n"
	return os.WriteFile(filepath.Join(dir, "pg_hba.conf"), []byte(hba), 0o600)
}

// runSingleUser runs statements in a database of a data directory that no server has open.
// The first that fails ends all.
func (s *server) runSingleUser(ctx context.Context, dir, database string, statements ...string) error {
	cmd, err := pgCommand(s.host.Dir, "postgres", "--single", "-D", dir, "-c", "exit_on_error=on", "-c", "fsync=off", database)
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(strings.Join(statements, "\n") + "\n") // a statement a line
	return s.host.Runner.Run(ctx, cmd, child.Options{Name: "postgres", Out: s.host.Log})
}

// SeedEnv leads libpq, and programs that read its variables, to the application's
// database, as its owner. The user's own variables may lead elsewhere, so none of
// them stays: PGHOSTADDR, for example, overrides PGHOST.
func (s *server) SeedEnv(environ []string) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(variable string) bool { return strings.HasPrefix(variable, "PG") })
	return append(environ,
		"PGHOST="+cmp.Or(s.spec.Address, "127.0.0.1"), "PGPORT="+strconv.Itoa(s.spec.Port),
		"PGUSER="+spec.AppDatabase, "PGDATABASE="+spec.AppDatabase, "PGSSLMODE=disable",
	)
}

// flushStatistics waits until the session has told what it changed, which it does at most
// once a second. What ANALYZE changed would else count as dead behind the VACUUM.
const flushStatistics = "SELECT pg_sleep(1.1)"

// Seeded collects the planner's statistics, and leaves nothing to vacuum in the middle
// of a measurement.
func (s *server) Seeded(ctx context.Context) error {
	return s.query(ctx, func(conn *pgx.Conn) error {
		for _, sql := range []string{analyze, flushStatistics, vacuum, "CHECKPOINT"} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
}
