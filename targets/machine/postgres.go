// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
	"headroom/targets/shop/dataset"
)

const (
	pgUser     = "postgres"
	pgShopBase = "shop"
)

// postgres runs PostgreSQL: a primary on a copy of the seeded data directory,
// or a replica on a copy of its primary.
type postgres struct {
	spec       spec.Process
	machine    string
	datasetDir string
	want       marker
	dir        string // this process's own: pgdata and the socket
	family     *child.Family
	log        *child.Lines

	lags lagSampler // of a primary, once it has settled

	mu   sync.Mutex
	conn *pgx.Conn // kept for the counters
}

// pgFixed are settings that no scenario changes. JIT and parallel query are
// off: both spend CPU time in bursts to shorten long queries on idle cores, and
// a machine of a fraction of a core has none. Any server may get replicas, and
// need not know: there is room for them, and the log stays long enough for one
// that was away. The rest is PostgreSQL's default, durability included.
var pgFixed = []string{
	"shared_preload_libraries=pg_stat_statements",
	"pg_stat_statements.track_utility=off",
	"jit=off",
	"max_parallel_workers_per_gather=0",
	"log_checkpoints=off",
	"wal_level=replica", "max_wal_senders=32", "max_replication_slots=32", "wal_keep_size=512MB",
}

func (p *postgres) dataDir() string { return filepath.Join(p.dir, "pgdata") }

func (p *postgres) command(ctx context.Context) (*exec.Cmd, error) {
	if err := p.prepareData(ctx); err != nil {
		return nil, err
	}
	// The lock file of a killed server names a process ID that another program
	// may have by now. Nobody else uses this directory.
	if err := os.Remove(filepath.Join(p.dataDir(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	settings := append([]string{
		"listen_addresses=" + cmp.Or(p.spec.Address, "*"),
		"port=" + strconv.Itoa(p.spec.Port),
		"unix_socket_directories=" + p.dir,
		"max_connections=" + p.spec.Settings["max_connections"],
		"shared_buffers=" + p.spec.Settings["shared_buffers"],
	}, pgFixed...)
	if p.isReplica() {
		replica, err := p.replicaSettings()
		if err != nil {
			return nil, err
		}
		settings = append(settings, replica...)
	}
	return pgCommand(p.dir, "postgres", pgServerArgs(p.dataDir(), settings)...)
}

// pgServerArgs turns settings into the server's command line.
func pgServerArgs(dataDir string, settings []string) []string {
	args := []string{"-D", dataDir}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// prepareData makes this machine's own data directory. A restart finds it
// there and keeps it: a database does not forget.
func (p *postgres) prepareData(ctx context.Context) error {
	if _, err := os.Stat(p.dataDir()); err == nil {
		return nil
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if err := chownTo(pgUser, p.dir); err != nil {
		return err
	}
	half := p.dataDir() + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	begin, from := time.Now(), "dataset"
	var err error
	if p.isReplica() {
		from = "primary"
		err = p.copyPrimary(ctx, half)
	} else {
		err = p.copyDataset(ctx, half)
	}
	if err != nil {
		return fmt.Errorf("copying the %s: %w", from, err)
	}
	// Written now and not half a minute later, when the kernel would do it in the
	// middle of a measurement.
	if err := syncFS(half); err != nil {
		return fmt.Errorf("writing the %s to disk: %w", from, err)
	}
	fmt.Fprintf(p.log, "machine | %s copied in %.1f s\n", from, time.Since(begin).Seconds())
	return os.Rename(half, p.dataDir())
}

// copyDataset copies the seeded data to a new folder: all of them, or those of
// this copy's shard.
func (p *postgres) copyDataset(ctx context.Context, to string) error {
	if err := p.want.check(p.datasetDir); err != nil {
		return err
	}
	names := pgdataNames(p.want.Dataset)
	name := names[0]
	if p.spec.Settings["data"] == "shard" {
		if len(names) != p.spec.Copies || p.want.Dataset.Shards == 0 {
			return fmt.Errorf("%s has %d data directories for %d shards: it must be seeded with as many shards",
				p.datasetDir, len(names), p.spec.Copies)
		}
		name = shardData(p.spec.Copy)
	}
	cp := exec.Command("cp", "-a", "--reflink=auto", filepath.Join(p.datasetDir, name), to)
	return p.family.Run(ctx, cp, child.Options{Name: "cp", Out: p.log})
}

func (p *postgres) stopSignal() syscall.Signal { return syscall.SIGINT } // "fast": does not wait for clients

func (p *postgres) ready(ctx context.Context) error {
	return p.query(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT 1 FROM users LIMIT 1")
		if err != nil || !p.isReplica() {
			return err
		}
		return streams(ctx, conn)
	})
}

// settle brings the database to where every slice begins: the indexes of the
// variant, pages in memory, counters at zero. A replica has its primary's
// indexes.
func (p *postgres) settle(ctx context.Context) error {
	if p.spec.Settings["indexes"] == "primary_keys_only" && !p.isReplica() {
		if err := dataset.DropIndexes(ctx, pgDSN(p.dir, p.spec.Port, pgShopBase)); err != nil {
			return fmt.Errorf("dropping indexes: %w", err)
		}
	}
	if err := p.query(ctx, func(conn *pgx.Conn) error { return warm(ctx, conn) }); err != nil {
		return err
	}
	if !p.isReplica() {
		p.lags.start(pgDSN(p.dir, p.spec.Port, "postgres"))
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
				WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') AND c.relpersistence = 'p'
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

// pgCountsSQL reads everything at once: it runs inside the measured machine.
// pg_stat_statements(false) leaves the texts in their file.
const pgCountsSQL = `
SELECT s.calls, s.ms, s.rows, t.read, d.blks_hit, d.blks_read,
       (SELECT wal_bytes FROM pg_stat_wal)::float8, d.xact_commit, d.deadlocks,
       (SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND datname = 'shop' AND pid <> pg_backend_pid()),
       (SELECT count(*) FROM pg_locks WHERE NOT granted)
FROM (SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(total_exec_time), 0) AS ms,
             coalesce(sum(rows), 0)::float8 AS rows
        FROM pg_stat_statements(false)
       WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = 'shop')) AS s,
     (SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::float8 AS read
        FROM pg_stat_user_tables) AS t,
     pg_stat_database AS d
WHERE d.datname = 'shop'`

var pgCountNames = []string{
	"statements_total", "statement_ms_total", "rows_total", "tuples_read_total",
	"blocks_hit_total", "blocks_read_total", "wal_bytes_total", "commits_total",
	"deadlocks_total", "connections", "lock_waiters",
}

func (p *postgres) counts(ctx context.Context) (map[string]float64, error) {
	values := make([]float64, len(pgCountNames))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	err := p.query(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, pgCountsSQL).Scan(into...)
	})
	if err != nil {
		return nil, err
	}
	counts := make(map[string]float64, len(values))
	for i, name := range pgCountNames {
		counts[name] = values[i]
	}
	return counts, nil
}

// query uses the kept connection as the superuser, opening it when needed.
func (p *postgres) query(ctx context.Context, use func(*pgx.Conn) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || p.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, pgDSN(p.dir, p.spec.Port, pgShopBase))
		if err != nil {
			return err
		}
		p.conn = conn
	}
	return use(p.conn)
}

func (p *postgres) close() {
	p.lags.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.conn.Close(ctx)
	}
}

// pgDSN names a database by its server's unix socket, as the superuser.
func pgDSN(socketDir string, port int, database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", socketDir, port, pgUser, database)
}

// pgCommand is one of PostgreSQL's programs, as the user that it insists on,
// working in a folder that is that user's.
func pgCommand(dir, program string, args ...string) (*exec.Cmd, error) {
	server, err := find(scenarios.KindPostgres)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(server), program), args...)
	cmd.Dir = dir
	cmd.SysProcAttr, err = asUser(pgUser)
	return cmd, err
}
