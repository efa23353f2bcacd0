// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// What one database gives to a page that is put together from several, and
// takes of a write that spans two: see sharded.go.

const selectPostAlone = `SELECT id, title, body, created_at, version, author_id FROM posts `

func (s *postgres) postAlone(ctx context.Context, id int64) (Post, error) {
	return viewOne(ctx, s.reads, scanPostAlone, selectPostAlone+`WHERE id = $1`, id)
}

func (s *postgres) newestAlone(ctx context.Context) ([]Post, error) {
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]Post, error) {
		return list(ctx, db, feedPosts, scanPostAlone, selectPostAlone+`ORDER BY id DESC LIMIT 50`)
	})
}

// authors finds those of ids that live here.
func (s *postgres) authors(ctx context.Context, ids []int64) ([]Author, error) {
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]Author, error) {
		return list(ctx, db, len(ids), scanAuthor, `SELECT id, name, city, bio FROM users WHERE id = ANY($1)`, ids)
	})
}

// insertPost takes the author on trust. The post's own author is left empty.
func (s *postgres) insertPost(ctx context.Context, post NewPost) (Post, error) {
	const sql = `INSERT INTO posts (id, author_id, title, body) VALUES ($1, $2, $3, $4)
		RETURNING id, title, body, created_at, version, author_id`
	return one(ctx, s.pool, scanPostAlone, sql, post.ID, post.Author, post.Title, post.Body)
}

// scanPostAlone knows no more of the author than the id.
func scanPostAlone(row pgx.CollectableRow) (p Post, err error) {
	err = row.Scan(&p.ID, &p.Title, &p.Body, &p.CreatedAt, &p.Version, &p.Author.ID)
	return p, err
}
