// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"headroom/targets/shop/store"
)

// What one database gives to a page that is put together from several, and
// takes of a write that spans two: see package shards.

const selectPostAlone = `SELECT id, title, body, created_at, version, author_id FROM posts `

// PostAlone implements shards.Database.
func (s *Store) PostAlone(ctx context.Context, id int64) (store.Post, error) {
	return viewOne(ctx, s.reads, scanPostAlone, selectPostAlone+`WHERE id = $1`, id)
}

// NewestAlone implements shards.Database.
func (s *Store) NewestAlone(ctx context.Context) ([]store.Post, error) {
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]store.Post, error) {
		return list(ctx, db, store.FeedPosts, scanPostAlone, selectPostAlone+`ORDER BY id DESC LIMIT 50`)
	})
}

// Authors finds those of ids that live here.
func (s *Store) Authors(ctx context.Context, ids []int64) ([]store.Author, error) {
	return view(ctx, s.reads, func(ctx context.Context, db querier) ([]store.Author, error) {
		return list(ctx, db, len(ids), scanAuthor, `SELECT id, name, city, bio FROM users WHERE id = ANY($1)`, ids)
	})
}

// InsertPost takes the author on trust. The post's own author is left empty.
func (s *Store) InsertPost(ctx context.Context, post store.NewPost) (store.Post, error) {
	const sql = `INSERT INTO posts (id, author_id, title, body) VALUES ($1, $2, $3, $4)
		RETURNING id, title, body, created_at, version, author_id`
	return one(ctx, s.pool, scanPostAlone, sql, post.ID, post.Author, post.Title, post.Body)
}

// scanPostAlone knows no more of the author than the id.
func scanPostAlone(row pgx.CollectableRow) (p store.Post, err error) {
	err = row.Scan(&p.ID, &p.Title, &p.Body, &p.CreatedAt, &p.Version, &p.Author.ID)
	return p, err
}
