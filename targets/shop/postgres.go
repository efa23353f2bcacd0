// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/machine/spec"
)

// querier is the part of a pool that reading needs.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// viewer runs a read of one statement or more against one place of its choice:
// the primary or, see replicas.go, a copy of it. It may run it twice.
type viewer interface {
	view(ctx context.Context, read func(ctx context.Context, db querier) error) error
}

// postgres is the store of record.
//
// Gives: one place that is always right. Costs: every request waits for one of
// PoolSize connections. Measured by every scenario; alone by phase1 and phase2.
type postgres struct {
	pool  *pgxpool.Pool // of the primary, for writes
	reads viewer
	feed  func(ctx context.Context, db querier) ([]Post, error)
	// orders lists a user's orders, newest first.
	orders func(ctx context.Context, db querier, user int64) ([]Order, error)
}

// openPool prepares a pool of size connections to the shop's database at address
// (host:port). It opens them at once, in the background, and keeps them: a pool
// that grew when requests pile up would do so when the database has least time
// for new connections. Statements are prepared once a connection and cached,
// pgx's default.
func openPool(address string, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("postgres://" + spec.AppDatabase + "@" + address + "/" + spec.AppDatabase + "?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("database address %q: %w", address, err)
	}
	config.MinConns, config.MaxConns = int32(size), int32(size)
	config.MaxConnLifetime = time.Hour // longer than a run: reconnecting must not disturb a slice
	config.MaxConnIdleTime = time.Hour
	config.ConnConfig.ConnectTimeout = 2 * time.Second
	config.ConnConfig.Tracer = statementTracer{}
	return pgxpool.NewWithConfig(context.Background(), config)
}

// searchHits is how many posts a search shows, the newest.
const searchHits = 20

const selectUser = `SELECT id, name, email, city, bio, created_at, version FROM users WHERE id = $1`

const selectPost = `SELECT p.id, p.title, p.body, p.created_at, p.version, u.id, u.name, u.city, u.bio
	FROM posts p JOIN users u ON u.id = p.author_id `

func (s *postgres) find(ctx context.Context, k key) (any, error) {
	switch k.kind {
	case pageUser:
		return viewOne(ctx, s.reads, scanUser, selectUser, k.id)
	case pagePost:
		return viewOne(ctx, s.reads, scanPost, selectPost+`WHERE p.id = $1`, k.id)
	case pageFeed:
		posts, err := view(ctx, s.reads, s.feed)
		return feedPage{posts}, err
	case pageOrders:
		orders, err := view(ctx, s.reads, func(ctx context.Context, db querier) ([]Order, error) { return s.orders(ctx, db, k.id) })
		return ordersPage{k.id, orders}, err
	}
	return nil, fmt.Errorf("no page of kind %q", k.kind)
}

// search shares its expression with the index posts_title_search. It is planned
// anew each time: from the sixth execution on PostgreSQL would prefer a plan
// for any word, take words for five times more common than they are, and walk
// the posts from the newest instead of using the index.
func (s *postgres) search(ctx context.Context, word string) ([]Found, error) {
	const sql = `SELECT id, title, body, created_at FROM posts
		WHERE to_tsvector('simple', title) @@ plainto_tsquery('simple', $1) ORDER BY id DESC LIMIT 20`
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]Found, error) {
		return list(ctx, db, searchHits, scanFound, sql, pgx.QueryExecModeExec, word)
	})
}

func (s *postgres) updateUser(ctx context.Context, id int64, edit UserEdit) (User, error) {
	const sql = `UPDATE users SET name = $2, bio = $3, version = version + 1 WHERE id = $1
		RETURNING id, name, email, city, bio, created_at, version`
	return one(ctx, s.pool, scanUser, sql, id, edit.Name, edit.Bio)
}

func (s *postgres) createPost(ctx context.Context, post NewPost) (Post, error) {
	const sql = `WITH p AS (
			INSERT INTO posts (id, author_id, title, body)
			SELECT COALESCE(NULLIF($4::bigint, 0), nextval('posts_id_seq')), id, $2, $3 FROM users WHERE id = $1
			RETURNING id, author_id, title, body, created_at, version)
		SELECT p.id, p.title, p.body, p.created_at, p.version, u.id, u.name, u.city, u.bio
		FROM p JOIN users u ON u.id = p.author_id`
	return one(ctx, s.pool, scanPost, sql, post.Author, post.Title, post.Body, post.ID)
}

const insertOrder = `INSERT INTO orders (id, user_id, item, amount_cents)
	SELECT COALESCE(NULLIF($4::bigint, 0), nextval('orders_id_seq')), id, $2, $3 FROM users WHERE id = $1
	RETURNING id, user_id, item, amount_cents, status, created_at, version`

func placeOrder(ctx context.Context, db querier, order NewOrder) (Order, error) {
	return one(ctx, db, scanOrder, insertOrder, order.User, order.Item, order.AmountCents, order.ID)
}

func (s *postgres) createOrder(ctx context.Context, order NewOrder) (Order, error) {
	return placeOrder(ctx, s.pool, order)
}

// checkout looks up the buyer and places the order in one transaction. The
// payment in between is simulated and takes no time.
func (s *postgres) checkout(ctx context.Context, order NewOrder) (placed Order, email string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		email, err = one(ctx, tx, pgx.RowTo[string], `SELECT email FROM users WHERE id = $1`, order.User)
		if err != nil {
			return err
		}
		placed, err = placeOrder(ctx, tx, order)
		return err
	})
	return placed, email, err
}

func (s *postgres) gift(ctx context.Context, gift NewGift) (placed [2]Order, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for i, order := range gift.orders() {
			if placed[i], err = placeOrder(ctx, tx, order); err != nil {
				return err
			}
		}
		return nil
	})
	return placed, err
}

// view returns what a read of one place finds.
func view[T any](ctx context.Context, from viewer, read func(context.Context, querier) (T, error)) (found T, err error) {
	err = from.view(ctx, func(ctx context.Context, db querier) error {
		found, err = read(ctx, db)
		return err
	})
	return found, err
}

func viewOne[T any](ctx context.Context, from viewer, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	return view(ctx, from, func(ctx context.Context, db querier) (T, error) { return one(ctx, db, scan, sql, args...) })
}

// one runs a statement that returns one row; errNotFound when it returns none.
func one[T any](ctx context.Context, db querier, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	row, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, errNotFound
	}
	return row, err
}

// list runs a statement that returns rows, about expect of them. No rows make
// an empty list, which is [] in JSON and not null.
func list[T any](ctx context.Context, db querier, expect int, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows(make([]T, 0, expect), rows, scan)
}

func scanUser(row pgx.CollectableRow) (u User, err error) {
	err = row.Scan(&u.ID, &u.Name, &u.Email, &u.City, &u.Bio, &u.CreatedAt, &u.Version)
	return u, err
}

func scanPost(row pgx.CollectableRow) (p Post, err error) {
	a := &p.Author
	err = row.Scan(&p.ID, &p.Title, &p.Body, &p.CreatedAt, &p.Version, &a.ID, &a.Name, &a.City, &a.Bio)
	return p, err
}

func scanAuthor(row pgx.CollectableRow) (a Author, err error) {
	err = row.Scan(&a.ID, &a.Name, &a.City, &a.Bio)
	return a, err
}

func scanOrder(row pgx.CollectableRow) (o Order, err error) {
	err = row.Scan(&o.ID, &o.User, &o.Item, &o.AmountCents, &o.Status, &o.CreatedAt, &o.Version)
	return o, err
}

func scanFound(row pgx.CollectableRow) (f Found, err error) {
	err = row.Scan(&f.ID, &f.Title, &f.Body, &f.CreatedAt)
	return f, err
}
