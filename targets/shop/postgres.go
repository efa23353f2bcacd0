package shop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// querier is the part of a pool that reading needs.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// postgres is the store of record.
//
// Gives: one place that is always right. Costs: every request waits for one of
// PoolSize connections. Measured by every scenario; alone by phase1 and phase2.
type postgres struct {
	pool *pgxpool.Pool
	feed func(ctx context.Context, db querier) ([]Post, error)
	// orders lists a user's orders, newest first.
	orders func(ctx context.Context, db querier, user int64) ([]Order, error)
}

// openPool prepares a pool of at most size connections to the shop's database
// at address (host:port). It connects on first use. Statements are prepared
// once a connection and cached, pgx's default.
func openPool(address string, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("postgres://shop@" + address + "/shop?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("database address %q: %w", address, err)
	}
	config.MaxConns = int32(size)
	config.MaxConnLifetime = time.Hour // longer than a run: reconnecting must not disturb a slice
	config.MaxConnIdleTime = time.Hour
	config.ConnConfig.ConnectTimeout = 2 * time.Second
	config.ConnConfig.Tracer = statementTracer{}
	return pgxpool.NewWithConfig(context.Background(), config)
}

const selectPost = `SELECT p.id, p.title, p.body, p.created_at, p.version, u.id, u.name, u.city, u.bio
	FROM posts p JOIN users u ON u.id = p.author_id `

func (s *postgres) user(ctx context.Context, id int64) (User, error) {
	const sql = `SELECT id, name, email, city, bio, created_at, version FROM users WHERE id = $1`
	return one[User](ctx, s.pool, scanUser, sql, id)
}

func (s *postgres) post(ctx context.Context, id int64) (Post, error) {
	return one[Post](ctx, s.pool, scanPost, selectPost+`WHERE p.id = $1`, id)
}

// search shares its expression with the index posts_title_search. It is planned
// anew each time: from the sixth execution on PostgreSQL would prefer a plan
// for any word, take words for five times more common than they are, and walk
// the posts from the newest instead of using the index.
func (s *postgres) search(ctx context.Context, word string) ([]Found, error) {
	const sql = `SELECT id, title, body, created_at FROM posts
		WHERE to_tsvector('simple', title) @@ plainto_tsquery('simple', $1) ORDER BY id DESC LIMIT 20`
	return list(ctx, s.pool, 20, scanFound, sql, pgx.QueryExecModeExec, word)
}

func (s *postgres) updateUser(ctx context.Context, id int64, edit UserEdit) (User, error) {
	const sql = `UPDATE users SET name = $2, bio = $3, version = version + 1 WHERE id = $1
		RETURNING id, name, email, city, bio, created_at, version`
	return one[User](ctx, s.pool, scanUser, sql, id, edit.Name, edit.Bio)
}

func (s *postgres) createPost(ctx context.Context, post NewPost) (Post, error) {
	const sql = `WITH p AS (
			INSERT INTO posts (author_id, title, body) SELECT id, $2, $3 FROM users WHERE id = $1
			RETURNING id, author_id, title, body, created_at, version)
		SELECT p.id, p.title, p.body, p.created_at, p.version, u.id, u.name, u.city, u.bio
		FROM p JOIN users u ON u.id = p.author_id`
	return one[Post](ctx, s.pool, scanPost, sql, post.Author, post.Title, post.Body)
}

const insertOrder = `INSERT INTO orders (user_id, item, amount_cents) SELECT id, $2, $3 FROM users WHERE id = $1
	RETURNING id, user_id, item, amount_cents, status, created_at, version`

func (s *postgres) createOrder(ctx context.Context, order NewOrder) (Order, error) {
	return one[Order](ctx, s.pool, scanOrder, insertOrder, order.User, order.Item, order.AmountCents)
}

// checkout looks up the buyer and places the order in one transaction. The
// payment in between is simulated and takes no time.
func (s *postgres) checkout(ctx context.Context, order NewOrder) (placed Order, email string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		email, err = one[string](ctx, tx, pgx.RowTo[string], `SELECT email FROM users WHERE id = $1`, order.User)
		if err != nil {
			return err
		}
		placed, err = one[Order](ctx, tx, scanOrder, insertOrder, order.User, order.Item, order.AmountCents)
		return err
	})
	return placed, email, err
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
