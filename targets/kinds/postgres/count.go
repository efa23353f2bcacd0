// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"headroom/targets/machine/spec"
)

// pgCountsSQL reads everything at once: it runs inside the measured machine.
// pg_stat_statements(false) leaves the texts in their file.
const pgCountsSQL = `
SELECT s.calls, s.ms, s.rows, t.read, d.blks_hit, d.blks_read,
       (SELECT wal_bytes FROM pg_stat_wal)::float8, d.xact_commit, d.deadlocks,
       (SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()),
       (SELECT count(*) FROM pg_locks WHERE NOT granted)
FROM (SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(total_exec_time), 0) AS ms,
             coalesce(sum(rows), 0)::float8 AS rows
        FROM pg_stat_statements(false)
       WHERE userid = '` + spec.AppDatabase + `'::regrole) AS s,
     (SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::float8 AS read
        FROM pg_stat_user_tables) AS t,
     pg_stat_database AS d
WHERE d.datname = current_database()`

// pgCountNames are the names of the columns. rows are returned rows; tuples are the
// heap tuples that scans of user tables read, by sequence or by index.
var pgCountNames = []string{
	"statements_total", "statement_ms_total", "rows_total", "tuples_read_total",
	"blocks_hit_total", "blocks_read_total", "wal_bytes_total", "commits_total",
	"deadlocks_total", "connections", "lock_waiters",
}

// Count reads all of pgCountNames.
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	values := make([]float64, len(pgCountNames))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	err := s.query(ctx, func(conn *pgx.Conn) error {
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

const pgStatementsSQL = `
SELECT query, sum(calls)::float8, sum(rows)::float8, sum(shared_blks_hit + shared_blks_read)::float8
  FROM pg_stat_statements(true)
 WHERE userid = '` + spec.AppDatabase + `'::regrole AND query IS NOT NULL
 GROUP BY query`

const pgTablesSQL = `
SELECT relname::text, (seq_tup_read + coalesce(idx_tup_fetch, 0))::float8, (n_tup_ins + n_tup_upd + n_tup_del)::float8
  FROM pg_stat_user_tables`

// Work tells the statements of the application and the tables that they read.
// Connections hand in their counters of tables at most once a second, or when they
// are told to. The shop's /internal/settle tells them.
func (s *server) Work(ctx context.Context) (all []spec.Work, err error) {
	err = s.query(ctx, func(conn *pgx.Conn) error {
		// This connection has read tables too, if it was asked for rows.
		if _, err := conn.Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
			return err
		}
		statements, err := pgWork(ctx, conn, pgStatementsSQL, spec.WorkStatement, "calls", "rows", "blocks")
		if err != nil {
			return err
		}
		tables, err := pgWork(ctx, conn, pgTablesSQL, spec.WorkTable, "rows_read", "rows_written")
		all = append(byText(statements), tables...)
		return err
	})
	return all, err
}

// pgWork reads names with their counts.
func pgWork(ctx context.Context, conn *pgx.Conn, sql, of string, counts ...string) ([]spec.Work, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (spec.Work, error) {
		one := spec.Work{Of: of, Counts: map[string]float64{}}
		values := make([]float64, len(counts))
		into := []any{&one.Name}
		for i := range values {
			into = append(into, &values[i])
		}
		err := row.Scan(into...)
		for i, name := range counts {
			one.Counts[name] = values[i]
		}
		return one, err
	})
}

// byText adds up statements that differ in blanks alone, and leaves out statements
// that no request asked for.
func byText(statements []spec.Work) []spec.Work {
	var out []spec.Work
	at := map[string]int{}
	for _, s := range statements {
		s.Name = strings.Join(strings.Fields(s.Name), " ")
		if strings.Contains(s.Name, spec.UnaskedMark) {
			continue
		}
		i, seen := at[s.Name]
		if !seen {
			at[s.Name] = len(out)
			out = append(out, s)
			continue
		}
		for key, n := range s.Counts {
			out[i].Counts[key] += n
		}
	}
	return out
}
