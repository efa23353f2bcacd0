// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// attached is a PostgreSQL that somebody else started. Its environment names the user
// and the database by which it is asked. All statements of that database count as the
// application's.
type attached struct {
	cachedConn
	user string
}

func attach(p spec.Process) (machine.Program, error) {
	if p.Service == nil {
		return nil, errors.New("no environment says who may ask it")
	}
	env := p.Service.Env
	user := cmp.Or(env["POSTGRES_USER"], env["PGUSER"], "postgres")
	a := &attached{user: user}
	a.dsn = (&url.URL{
		Scheme: "postgres", Host: p.LocalAddress(), Path: "/" + cmp.Or(env["POSTGRES_DB"], env["PGDATABASE"], user),
		User:     url.UserPassword(user, cmp.Or(env["POSTGRES_PASSWORD"], env["PGPASSWORD"])),
		RawQuery: "sslmode=prefer&application_name=headroom",
	}).String()
	a.begin = a.excludeOwnStatements
	return a, nil
}

// Command is an error: the server runs elsewhere.
func (a *attached) Command(context.Context) (*exec.Cmd, error) { return nil, machine.ErrOnlyAsked }

// Ready asks for an answer.
func (a *attached) Ready(ctx context.Context) error {
	return a.query(ctx, func(conn *pgx.Conn) error { return conn.Ping(ctx) })
}

// Close ends the connection.
func (a *attached) Close() { a.closeConn() }

// untrackSQL keeps our own statements out of the counted ones. The statement itself
// is counted, before the first reading.
const untrackSQL = "SET " + spec.UnaskedMark + " pg_stat_statements.track = 'none'"

// excludeOwnStatements keeps this connection's statements from being counted. Where
// PostgreSQL counts no statements, there is nothing to do.
func (a *attached) excludeOwnStatements(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, untrackSQL)
	if _, lacks := missingFeature(err); lacks {
		return nil // the statements' counters say why
	}
	return err
}

// counterQuery is one statement that reads several counters, one in each column.
type counterQuery struct {
	names  []string
	sql    string
	remedy string // where the server lacks what the statement reads
}

// statementCounters needs an extension that most servers do not have from the start.
var statementCounters = counterQuery{[]string{"statements_total", "statement_ms_total", "rows_total"}, `
SELECT coalesce(sum(calls), 0)::float8, coalesce(sum(total_exec_time), 0)::float8, coalesce(sum(rows), 0)::float8
  FROM pg_stat_statements(false)
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
	"run PostgreSQL 13 or newer, start it with shared_preload_libraries=pg_stat_statements, and CREATE EXTENSION pg_stat_statements in the database",
}

// serverCounters are the counters that every PostgreSQL has that is new enough.
var serverCounters = []counterQuery{
	{[]string{"tuples_read_total"}, `
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::float8 FROM pg_stat_user_tables`, ""},
	{[]string{"blocks_hit_total", "blocks_read_total", "deadlocks_total"}, `
SELECT blks_hit::float8, blks_read::float8, deadlocks::float8
  FROM pg_stat_database WHERE datname = current_database()`, ""},
	{[]string{"wal_bytes_total"}, "SELECT wal_bytes::float8 FROM pg_stat_wal", "run PostgreSQL 14 or newer"},
	{[]string{"lock_waiters"}, "SELECT count(*)::float8 FROM pg_locks WHERE NOT granted", ""},
}

// Count reads the counters of pgCountNames that the server has. It leaves out the
// connections, which not every user may see, and the commits, which include those of
// our questions. An UnknownCountersError names the counters that the server does not
// have.
func (a *attached) Count(ctx context.Context) (map[string]float64, error) {
	counts := map[string]float64{}
	var missing []error
	err := a.query(ctx, func(conn *pgx.Conn) error {
		groups := serverCounters
		why, err := a.trackingOwn(ctx, conn)
		if err != nil {
			return err
		}
		if why == nil {
			groups = append([]counterQuery{statementCounters}, serverCounters...)
		} else {
			missing = append(missing, why)
		}
		for _, g := range groups {
			lacking, err := g.read(ctx, conn, counts)
			if err != nil {
				return err
			}
			if lacking != nil {
				missing = append(missing, lacking)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if why := errors.Join(missing...); why != nil {
		return counts, &machine.UnknownCountersError{Why: why}
	}
	return counts, nil
}

// read adds the counters to counts, or says what the server lacks.
func (f counterQuery) read(ctx context.Context, conn *pgx.Conn, counts map[string]float64) (lacking, err error) {
	values := make([]float64, len(f.names))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	err = conn.QueryRow(ctx, f.sql).Scan(into...)
	if said, lacks := missingFeature(err); lacks {
		return f.lacking(said), nil
	}
	if err != nil {
		return nil, err
	}
	for i, name := range f.names {
		counts[name] = values[i]
	}
	return nil, nil
}

func (f counterQuery) lacking(said string) error {
	why := strings.Join(f.names, ", ") + ": " + said
	if f.remedy != "" {
		why += ": " + f.remedy
	}
	return errors.New(why)
}

// trackingOwn says why this connection's own statements would be counted; nil when
// they are not counted.
func (a *attached) trackingOwn(ctx context.Context, conn *pgx.Conn) (why, err error) {
	var tracked string
	const sql = "SELECT coalesce(current_setting('pg_stat_statements.track', true), 'none')"
	if err := conn.QueryRow(ctx, sql).Scan(&tracked); err != nil {
		return nil, err
	}
	if tracked != "none" {
		return fmt.Errorf("%s: user %s may not leave what headroom asks out of them: name a superuser, or GRANT SET ON PARAMETER pg_stat_statements.track",
			strings.Join(statementCounters.names, ", "), a.user), nil
	}
	return nil, nil
}

// notLoaded is the code of a library that was not loaded when the server started.
const notLoaded = "55000"

// missingFeature is PostgreSQL's message when it lacks what a statement needs; false
// for another error, and for none.
func missingFeature(err error) (said string, lacks bool) {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (strings.HasPrefix(refused.Code, refusedStatement) || refused.Code == notLoaded) {
		return refused.Message, true
	}
	return "", false
}

const attachedStatementsSQL = `
SELECT query, sum(calls)::float8, sum(rows)::float8, sum(shared_blks_hit + shared_blks_read)::float8
  FROM pg_stat_statements(true)
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query IS NOT NULL
 GROUP BY query`

// Work tells the statements, where they are counted, and the tables that they read.
func (a *attached) Work(ctx context.Context) (all []spec.Work, err error) {
	err = a.query(ctx, func(conn *pgx.Conn) error {
		// This connection has read tables too, if it was asked for rows. Before PostgreSQL
		// 15 there is no telling it to say so.
		if _, err := conn.Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
			if _, lacks := missingFeature(err); !lacks {
				return err
			}
		}
		why, err := a.trackingOwn(ctx, conn)
		if err != nil {
			return err
		}
		if why == nil {
			statements, err := pgWork(ctx, conn, attachedStatementsSQL, spec.WorkStatement, "calls", "rows", "blocks")
			if _, lacks := missingFeature(err); err != nil && !lacks {
				return err
			}
			all = byText(statements)
		}
		tables, err := pgWork(ctx, conn, pgTablesSQL, spec.WorkTable, "rows_read", "rows_written")
		all = append(all, tables...)
		return err
	})
	return all, err
}
