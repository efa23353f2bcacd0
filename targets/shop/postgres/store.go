// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps the shop's users, posts and orders in PostgreSQL. Store is
// one database. Replicas spread its reads over copies, lag.go tells how far a copy is
// behind. How the feed and a user's orders are read is a file each, the faults
// beside what mends them. Databases are all that a shop has, and what watches them.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/store"
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

// Store is the store of record.
//
// Gives: one place that is always right. Costs: every request waits for one of
// PoolSize connections. Measured by every scenario; alone by phase1 and phase2.
type Store struct {
	pool  *pgxpool.Pool // of the primary, for writes
	reads viewer
	feed  func(ctx context.Context, db querier) ([]store.Post, error)
	// orders lists a user's orders, newest first.
	orders func(ctx context.Context, db querier, user int64) ([]store.Order, error)
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

const selectUser = `SELECT id, name, email, city, bio, created_at, version FROM users WHERE id = $1`

const selectPost = `SELECT p.id, p.title, p.body, p.created_at, p.version, u.id, u.name, u.city, u.bio
	FROM posts p JOIN users u ON u.id = p.author_id `

func newStore(c Config, pool *pgxpool.Pool, reads viewer) *Store {
	s := &Store{pool: pool, reads: reads, feed: feedByJoin, orders: ordersLimited}
	if c.Feed == "n_plus_1" {
		s.feed = feedByNPlus1
	}
	if c.Orders == "unbounded" {
		s.orders = ordersUnbounded
	}
	return s
}

// Find implements store.Finder.
func (s *Store) Find(ctx context.Context, k store.Key) (any, error) {
	switch k.Kind {
	case store.PageUser:
		return viewOne(ctx, s.reads, scanUser, selectUser, k.ID)
	case store.PagePost:
		return viewOne(ctx, s.reads, scanPost, selectPost+`WHERE p.id = $1`, k.ID)
	case store.PageFeed:
		posts, err := view(ctx, s.reads, s.feed)
		return store.FeedPage{Posts: posts}, err
	case store.PageOrders:
		orders, err := view(ctx, s.reads, func(ctx context.Context, db querier) ([]store.Order, error) { return s.orders(ctx, db, k.ID) })
		return store.OrdersPage{User: k.ID, Orders: orders}, err
	}
	return nil, fmt.Errorf("no page of kind %q", k.Kind)
}

// Search shares its expression with the index posts_title_search. It is planned
// anew each time: from the sixth execution on PostgreSQL would prefer a plan
// for any word, take words for five times more common than they are, and walk
// the posts from the newest instead of using the index.
func (s *Store) Search(ctx context.Context, word string) ([]store.Found, error) {
	const sql = `SELECT id, title, body, created_at FROM posts
		WHERE to_tsvector('simple', title) @@ plainto_tsquery('simple', $1) ORDER BY id DESC LIMIT 20`
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]store.Found, error) {
		return list(ctx, db, store.SearchHits, scanFound, sql, pgx.QueryExecModeExec, word)
	})
}

// UpdateUser implements store.Editor.
func (s *Store) UpdateUser(ctx context.Context, id int64, edit store.UserEdit) (store.User, error) {
	const sql = `UPDATE users SET name = $2, bio = $3, version = version + 1 WHERE id = $1
		RETURNING id, name, email, city, bio, created_at, version`
	return one(ctx, s.pool, scanUser, sql, id, edit.Name, edit.Bio)
}

// CreatePost implements store.Editor.
func (s *Store) CreatePost(ctx context.Context, post store.NewPost) (store.Post, error) {
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

func placeOrder(ctx context.Context, db querier, order store.NewOrder) (store.Order, error) {
	return one(ctx, db, scanOrder, insertOrder, order.User, order.Item, order.AmountCents, order.ID)
}

// CreateOrder implements store.Seller.
func (s *Store) CreateOrder(ctx context.Context, order store.NewOrder) (store.Order, error) {
	return placeOrder(ctx, s.pool, order)
}

// Checkout looks up the buyer and places the order in one transaction. The
// payment in between is simulated and takes no time.
func (s *Store) Checkout(ctx context.Context, order store.NewOrder) (placed store.Order, email string, err error) {
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

// Gift implements store.Seller.
func (s *Store) Gift(ctx context.Context, gift store.NewGift) (placed [2]store.Order, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		for i, order := range gift.Orders() {
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

// one runs a statement that returns one row; store.ErrNotFound when it returns none.
func one[T any](ctx context.Context, db querier, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	row, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, store.ErrNotFound
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

func scanUser(row pgx.CollectableRow) (u store.User, err error) {
	err = row.Scan(&u.ID, &u.Name, &u.Email, &u.City, &u.Bio, &u.CreatedAt, &u.Version)
	return u, err
}

func scanPost(row pgx.CollectableRow) (p store.Post, err error) {
	a := &p.Author
	err = row.Scan(&p.ID, &p.Title, &p.Body, &p.CreatedAt, &p.Version, &a.ID, &a.Name, &a.City, &a.Bio)
	return p, err
}

func scanAuthor(row pgx.CollectableRow) (a store.Author, err error) {
	err = row.Scan(&a.ID, &a.Name, &a.City, &a.Bio)
	return a, err
}

func scanOrder(row pgx.CollectableRow) (o store.Order, err error) {
	err = row.Scan(&o.ID, &o.User, &o.Item, &o.AmountCents, &o.Status, &o.CreatedAt, &o.Version)
	return o, err
}

func scanFound(row pgx.CollectableRow) (f store.Found, err error) {
	err = row.Scan(&f.ID, &f.Title, &f.Body, &f.CreatedAt)
	return f, err
}
