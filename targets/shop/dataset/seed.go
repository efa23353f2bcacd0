// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"headroom/scenarios"
)

// Seed fills a fresh PostgreSQL server: role shop (may log in, not a
// superuser), database shop with its extensions, the tables of the given size,
// their keys and indexes, statistics, every row frozen. Where the size has
// shards, only the rows of the shard, 0..n-1, are there. The dsn is a
// superuser's, of database postgres. It is an error when role or database exist
// already: seeding starts from a fresh server or not at all.
//
// With 100,000 users, 500,000 posts and 1,000,000 orders it takes seconds, not
// minutes, on a server with fsync off; wal_level=minimal saves writing
// everything twice.
func Seed(ctx context.Context, dsn string, size scenarios.Dataset, shard int) error {
	if size.Users < 1 || size.Posts < 1 || size.Orders < 1 {
		return fmt.Errorf("dataset of %d users, %d posts, %d orders: there must be at least one of each", size.Users, size.Posts, size.Orders)
	}
	if shard < 0 || shard >= max(size.Shards, 1) {
		return fmt.Errorf("dataset of %d shards: there is no shard %d", size.Shards, shard)
	}
	if err := createDatabase(ctx, dsn); err != nil {
		return err
	}
	conn, err := connect(ctx, dsn, database)
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	// Extensions are made here, as a replica cannot make its own.
	if err := run(ctx, conn, "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION pg_prewarm",
		"SET maintenance_work_mem = '256MB'"); err != nil {
		return err
	}
	for _, t := range tables {
		if err := fill(ctx, conn, t, size, shard); err != nil {
			return fmt.Errorf("fill table %s: %w", t.name, err)
		}
	}
	return finish(ctx, conn)
}

func createDatabase(ctx context.Context, dsn string) error {
	conn, err := connect(ctx, dsn, "")
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	// At the default of 4, made for spinning disks, the 20 newest orders of a
	// user cost a read and a sort of them all, index or not.
	return run(ctx, conn, "CREATE ROLE "+role+" LOGIN", "CREATE DATABASE "+database,
		"ALTER DATABASE "+database+" SET random_page_cost = 1.1")
}

// fill makes and fills one table in one transaction: only then may COPY write
// rows that are frozen already, and, with wal_level=minimal, skip the log.
func fill(ctx context.Context, conn *pgx.Conn, t table, size scenarios.Dataset, shard int) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := copyTable(ctx, tx, t, size, shard); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

func copyTable(ctx context.Context, tx pgx.Tx, t table, size scenarios.Dataset, shard int) error {
	if _, err := tx.Exec(ctx, t.create); err != nil {
		return err
	}
	lines := newTableStream(t, size, shard)
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN (FREEZE)", t.name, t.columns)
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, lines, sql)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(lines.wanted) {
		return fmt.Errorf("%d rows arrived of %d", tag.RowsAffected(), lines.wanted)
	}
	_, err = tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN id RESTART WITH %d", t.name, t.count(size)+1))
	return err
}

func finish(ctx context.Context, conn *pgx.Conn) error {
	var statements []string
	for _, t := range tables {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (id)", t.name))
	}
	for _, i := range indexes {
		statements = append(statements, i.create)
	}
	return run(ctx, conn, append(statements,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "+role,
		"VACUUM (FREEZE, ANALYZE)",
		"CHECKPOINT",
	)...)
}

func run(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// connect opens dsn, with another database when one is named.
func connect(ctx context.Context, dsn, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL to seed: %w", err)
	}
	if database != "" {
		config.Database = database
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL to seed: %w", err)
	}
	return conn, nil
}

// closeSoon says goodbye to the server, but waits for it a second at most,
// also when ctx has ended.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the connection is gone either way
}
