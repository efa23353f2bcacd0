// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// pgUser is the superuser, and the user of the system that the server runs as.
const pgUser = "postgres"

// server runs PostgreSQL: a primary on the data that it begins with or on nothing, or
// a replica on a copy of its primary. Its folder holds pgdata and the socket.
type server struct {
	cachedConn // of the application's database, as the superuser
	spec       spec.Process
	host       machine.Host

	lags lagSampler // of a primary, once it is prepared
}

func newServer(p spec.Process, h machine.Host) *server {
	return &server{cachedConn: cachedConn{dsn: pgDSN(h.Dir, p.Port, spec.AppDatabase)}, spec: p, host: h}
}

// pgFixed are settings that no scenario changes. JIT and parallel query are off: both
// spend CPU time in bursts to shorten long queries on idle cores, and a machine with
// a fraction of a core has no idle ones. Any server may get replicas: it has room for
// them, and keeps enough of the log for a replica that was away. The rest is
// PostgreSQL's default, durability included.
var pgFixed = []string{
	"shared_preload_libraries=pg_stat_statements",
	"pg_stat_statements.track_utility=off",
	"jit=off",
	"max_parallel_workers_per_gather=0",
	"log_checkpoints=off",
	"wal_level=replica", "max_wal_senders=32", "max_replication_slots=32", "wal_keep_size=512MB",
}

func (s *server) dataDir() string { return filepath.Join(s.host.Dir, "pgdata") }

// Command makes the data directory where there is none yet.
func (s *server) Command(ctx context.Context) (*exec.Cmd, error) {
	if err := s.prepareData(ctx); err != nil {
		return nil, err
	}
	// The lock file of a killed server names a process ID that another program
	// may have by now. Nobody else uses this directory.
	if err := os.Remove(filepath.Join(s.dataDir(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	settings := append([]string{
		"listen_addresses=" + cmp.Or(s.spec.Address, "*"),
		"port=" + strconv.Itoa(s.spec.Port),
		"unix_socket_directories=" + s.host.Dir,
		"max_connections=" + strconv.Itoa(MaxConnections.Of(s.spec.Settings)),
		"shared_buffers=" + s.spec.Settings[SharedBuffers.Name],
	}, pgFixed...)
	if s.host.Seeding {
		settings = append(settings, seedSettings...) // of two values the later one counts
	}
	if s.isReplica() {
		replica, err := s.replicaSettings()
		if err != nil {
			return nil, err
		}
		settings = append(settings, replica...)
	}
	return pgCommand(s.host.Dir, "postgres", pgServerArgs(s.dataDir(), settings)...)
}

// pgServerArgs turns settings into the server's command line.
func pgServerArgs(dataDir string, settings []string) []string {
	args := []string{"-D", dataDir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// prepareData makes this machine's own data directory. A restart keeps the directory
// that it finds: a database does not forget.
func (s *server) prepareData(ctx context.Context) error {
	if _, err := os.Stat(s.dataDir()); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.host.Dir, 0o755); err != nil {
		return err
	}
	if err := machine.ChownTo(pgUser, s.host.Dir); err != nil {
		return err
	}
	half := s.dataDir() + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	begin := time.Now()
	if !s.isReplica() {
		if err := s.initialise(ctx, half); err != nil {
			return fmt.Errorf("making an empty database: %w", err)
		}
	} else {
		if err := s.copyPrimary(ctx, half); err != nil {
			return fmt.Errorf("copying the primary: %w", err)
		}
		fmt.Fprintf(s.host.Log, "machine | primary copied in %.1f s\n", time.Since(begin).Seconds())
	}
	// Written now and not half a minute later, when the kernel would do it in the
	// middle of a measurement.
	if err := machine.SyncFS(half); err != nil {
		return fmt.Errorf("writing the data to disk: %w", err)
	}
	return os.Rename(half, s.dataDir())
}

// StopSignal asks for a "fast" stop, which does not wait for clients.
func (s *server) StopSignal() syscall.Signal { return syscall.SIGINT }

// Ready asks for an answer from the application's database, and a replica whether it
// streams.
func (s *server) Ready(ctx context.Context) error {
	return s.query(ctx, func(conn *pgx.Conn) error {
		if !s.isReplica() {
			return conn.Ping(ctx)
		}
		return streams(ctx, conn)
	})
}

// Prepare gives every slice the same start: the indexes of the variant, pages in
// memory, counters at zero. A replica has its primary's indexes.
func (s *server) Prepare(ctx context.Context) error {
	if Indexes.Of(s.spec.Settings) == "primary_keys_only" && !s.isReplica() {
		if err := s.query(ctx, func(conn *pgx.Conn) error { return dropIndexes(ctx, conn) }); err != nil {
			return fmt.Errorf("dropping indexes: %w", err)
		}
	}
	if err := s.visitAll(ctx); err != nil {
		return err
	}
	if err := s.query(ctx, func(conn *pgx.Conn) error { return warm(ctx, conn) }); err != nil {
		return err
	}
	if !s.isReplica() {
		s.lags.start(pgDSN(s.host.Dir, s.spec.Port, "postgres"))
	}
	return nil
}

// visitAll connects once to each database beside the application's. The first visitor
// after a start builds the database's catalog cache. That would be autovacuum, 20 and 40
// seconds later, in the middle of a measurement.
func (s *server) visitAll(ctx context.Context) error {
	for _, database := range []string{"template1", "postgres"} {
		conn, err := pgx.Connect(ctx, pgDSN(s.host.Dir, s.spec.Port, database))
		if err == nil {
			err = conn.Close(ctx)
		}
		if err != nil {
			return fmt.Errorf("visiting database %s: %w", database, err)
		}
	}
	return nil
}

// ownSchema is true of a schema n that is not PostgreSQL's.
const ownSchema = `n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'`

// dropIndexes removes every index of the application's tables, except those of keys
// and of unique columns. That is the fault "no index on the looked-up column": a
// look-up becomes a scan of its table.
func dropIndexes(ctx context.Context, conn *pgx.Conn) error {
	// An index of a partition is dropped with the index of the whole table.
	const sql = `SELECT 'DROP INDEX ' || i.indexrelid::regclass FROM pg_index i
		JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
		WHERE ` + ownSchema + ` AND NOT x.relispartition AND NOT i.indisunique
		  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)`
	answer, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	drops, err := pgx.CollectRows(answer, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, drop := range drops {
		if _, err := conn.Exec(ctx, drop); err != nil {
			return fmt.Errorf("%s: %w", drop, err)
		}
	}
	return nil
}

// warm loads the database into memory and sets its counters to zero; a replica
// can do all of it.
func warm(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range []string{
		// Largest first: what does not fit is pushed out by the smaller ones.
		`SELECT count(pg_prewarm(oid)) FROM (
				SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE ` + ownSchema + ` AND c.relkind IN ('r', 'i') AND c.relpersistence = 'p'
				ORDER BY c.relpages DESC) AS relations`,
		"CHECKPOINT", // dirty pages of the preparation are not the slice's to write
		"SELECT pg_stat_statements_reset()",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Close ends the looks at standbys and the connection for questions.
func (s *server) Close() {
	s.lags.close()
	s.closeConn()
}

// pgDSN names a database by its server's unix socket, as the superuser.
func pgDSN(socketDir string, port int, database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", socketDir, port, pgUser, database)
}

// pgCommand is one of PostgreSQL's programs, as the user that it insists on,
// working in a folder that is that user's.
func pgCommand(dir, program string, args ...string) (*exec.Cmd, error) {
	server, err := find()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(server), program), args...)
	cmd.Dir = dir
	cmd.SysProcAttr, err = machine.AsUser(pgUser)
	return cmd, err
}
