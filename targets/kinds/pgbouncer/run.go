// SPDX-License-Identifier: Apache-2.0

package pgbouncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// systemUser is the user that PgBouncer runs as when we are root: PgBouncer refuses
// to run as root. Debian's package brings the user.
const systemUser = "postgres"

// Clients prepare statements, and deallocate all of them when they settle. PgBouncer
// handles both from this version on.
const minMajor, minMinor = 1, 22

func find() (string, error) {
	path, err := machine.FindProgram("pgbouncer")
	if err != nil {
		return "", err
	}
	said, err := machine.VersionBy("--version")(context.Background(), path)
	if err != nil {
		return "", err
	}
	return path, checkVersion(said)
}

// checkVersion reads "PgBouncer 1.24.1".
func checkVersion(said string) error {
	var major, minor int
	if _, err := fmt.Sscanf(said, "PgBouncer %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("%q is no version of PgBouncer", said)
	}
	if major < minMajor || major == minMajor && minor < minMinor {
		return fmt.Errorf("%s is too old: PgBouncer %d.%d or newer is needed", said, minMajor, minMinor)
	}
	return nil
}

// pool runs PgBouncer in front of one database.
type pool struct {
	spec spec.Process
	dir  string // the process's own: the configuration

	mu   sync.Mutex
	conn *pgx.Conn // to the console, kept for the counters
}

// configText is the whole configuration. Clients need no password, here and at the
// database: both can be reached from the run's own network alone.
func (p *pool) configText() (string, error) {
	to := p.spec.Links[scenarios.RoleDatabase]
	if len(to) != 1 {
		return "", fmt.Errorf("link database leads to %d places, want exactly 1", len(to))
	}
	host, port, err := net.SplitHostPort(to[0])
	if err != nil {
		return "", fmt.Errorf("link database: %q is not host:port", to[0])
	}
	lines := []string{
		"[databases]",
		// Every client is the database's user of the same name as the database.
		fmt.Sprintf("%[1]s = host=%[2]s port=%[3]s dbname=%[1]s user=%[1]s", spec.AppDatabase, host, port),
		"[pgbouncer]",
		"listen_addr = " + cmp.Or(p.spec.Address, "*"),
		fmt.Sprintf("listen_port = %d", p.spec.Port),
		"unix_socket_dir =",
		"auth_type = any",
		"pool_mode = transaction", // with whole sessions each client would hold a connection for ever
		fmt.Sprintf("default_pool_size = %d", PoolSize.Of(p.spec.Settings)),
		fmt.Sprintf("max_client_conn = %d", MaxClients.Of(p.spec.Settings)),
		// Clients prepare their statements once a connection. PgBouncer follows them
		// from one connection of the database to the next.
		"max_prepared_statements = 200",
		"ignore_startup_parameters = extra_float_digits",
		"server_idle_timeout = 0", // a pool that shrinks would grow in the middle of a slice
		"server_lifetime = 86400",
		"server_check_query =", // a statement that nobody asked for would be counted
		"log_connections = 0", "log_disconnections = 0", "log_stats = 0",
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// Command writes the configuration into a folder that the server's user can read.
func (p *pool) Command(context.Context) (*exec.Cmd, error) {
	text, err := p.configText()
	if err != nil {
		return nil, err
	}
	program, err := find()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(p.dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, path)
	cmd.Dir = p.dir
	cmd.SysProcAttr, err = machine.AsUser(systemUser)
	return cmd, err
}

// StopSignal ends PgBouncer at once: its clients are about to go too.
func (p *pool) StopSignal() syscall.Signal { return syscall.SIGQUIT }

// Ready asks the database through the pool: a pool that answers in front of a
// database that does not is of no use.
func (p *pool) Ready(ctx context.Context) error {
	conn, err := p.connect(ctx, spec.AppDatabase)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// connect opens a connection whose statements are not prepared: the console knows
// only simple ones.
func (p *pool) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", spec.AppDatabase, p.spec.LocalAddress(), database))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, config)
}

// console is PgBouncer's own database, which tells what it does.
const console = "pgbouncer"

// Count tells queries_total and transactions_total (that clients sent), wait_s_total
// (in which clients waited for a connection to the database), and the gauges
// clients_waiting, clients_active, and of the servers how many are active, idle, used
// (idle for a while) and tested.
func (p *pool) Count(ctx context.Context) (map[string]float64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil || p.conn.IsClosed() {
		conn, err := p.connect(ctx, console)
		if err != nil {
			return nil, err
		}
		p.conn = conn
	}
	counts := map[string]float64{}
	totals, err := show(ctx, p.conn, "SHOW TOTALS")
	if err != nil {
		return nil, err
	}
	told := map[string]string{}
	for _, row := range totals {
		told[row["name"]] = row["value"]
	}
	for name, total := range map[string]string{"queries_total": "total_query_count", "transactions_total": "total_xact_count", "wait_s_total": "total_wait_time"} {
		if counts[name], err = number(total, told[total]); err != nil {
			return nil, err
		}
	}
	counts["wait_s_total"] /= 1e6 // from microseconds
	return counts, p.addPools(ctx, counts)
}

// addPools adds up the pools of all databases but the console's own.
func (p *pool) addPools(ctx context.Context, counts map[string]float64) error {
	pools, err := show(ctx, p.conn, "SHOW POOLS")
	if err != nil {
		return err
	}
	for _, row := range pools {
		if row["database"] == console {
			continue
		}
		for name, column := range map[string]string{
			"clients_waiting": "cl_waiting", "clients_active": "cl_active", "servers_active": "sv_active", "servers_idle": "sv_idle",
			"servers_used": "sv_used", "servers_tested": "sv_tested",
		} {
			n, err := number(column, row[column])
			if err != nil {
				return err
			}
			counts[name] += n
		}
	}
	return nil
}

// show asks the console. Its answers are text. Their columns differ from version to
// version, so each row is read by its columns' names.
func show(ctx context.Context, conn *pgx.Conn, command string) ([]map[string]string, error) {
	rows, err := conn.Query(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	defer rows.Close()
	var out []map[string]string
	for rows.Next() {
		row := map[string]string{}
		for i, value := range rows.RawValues() {
			row[rows.FieldDescriptions()[i].Name] = string(value)
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return out, nil
}

// number reads a figure of the console. A figure that is not there is an error: a
// later version may have renamed it.
func number(name, text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the console tells %s as %q, not a number", name, text)
	}
	return n, nil
}

// Close gives the console's connection back.
func (p *pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.conn.Close(ctx)
	}
}
