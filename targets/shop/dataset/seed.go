// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Seed fills the shop's database: the tables of a size, their keys and indexes. The
// dsn is that of the database's owner; "" is what libpq's environment variables say.
// It is an error when a table is there already: seeding starts from an empty database
// or not at all.
//
// With 100,000 users, 500,000 posts and 1,000,000 orders it takes seconds, not
// minutes, on a server with fsync off; wal_level=minimal saves writing
// everything twice.
func Seed(ctx context.Context, dsn string, size Size) error {
	if err := size.check(); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("PostgreSQL to seed: %w", err)
	}
	defer closeSoon(ctx, conn)
	// At the default of 4, made for spinning disks, the 20 newest orders of a
	// user cost a read and a sort of them all, index or not.
	if err := run(ctx, conn, "SET maintenance_work_mem = '256MB'",
		"ALTER DATABASE "+pgx.Identifier{conn.Config().Database}.Sanitize()+" SET random_page_cost = 1.1"); err != nil {
		return err
	}
	for _, t := range tables {
		if err := fill(ctx, conn, t, size); err != nil {
			return fmt.Errorf("fill table %s: %w", t.name, err)
		}
	}
	return run(ctx, conn, keysAndIndexes()...)
}

// fill makes and fills one table in one transaction: only then may COPY write
// rows that are frozen already, and, with wal_level=minimal, skip the log.
func fill(ctx context.Context, conn *pgx.Conn, t table, size Size) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := copyTable(ctx, tx, t, size); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

func copyTable(ctx context.Context, tx pgx.Tx, t table, size Size) error {
	if _, err := tx.Exec(ctx, t.create); err != nil {
		return err
	}
	lines := newTableStream(t, size)
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

func keysAndIndexes() []string {
	var statements []string
	for _, t := range tables {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (id)", t.name))
	}
	for _, i := range indexes {
		statements = append(statements, i.create)
	}
	return statements
}

func run(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// closeSoon says goodbye to the server, but waits for it a second at most,
// also when ctx has ended.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the connection is gone either way
}
