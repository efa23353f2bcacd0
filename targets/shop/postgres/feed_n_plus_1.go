// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	"headroom/targets/shop/store"
)

// feedByNPlus1 is the fault that an object-relational mapper writes when
// nobody looks: the posts in one statement, then one more for each author, 51
// in all.
//
// Gives: the shortest code. Costs: 51 round trips and 51 waits for a pool
// connection a page. Measured by scenario phase1 (before), setting feed:
// n_plus_1.
func feedByNPlus1(ctx context.Context, db querier) ([]store.Post, error) {
	const author = `SELECT id, name, city, bio FROM users WHERE id = $1`
	posts, err := list(ctx, db, store.FeedPosts, scanPostAlone, selectPostAlone+`ORDER BY id DESC LIMIT 50`)
	if err != nil {
		return nil, err
	}
	for i := range posts {
		posts[i].Author, err = one[store.Author](ctx, db, scanAuthor, author, posts[i].Author.ID)
		if err != nil {
			return nil, fmt.Errorf("author of post %d: %w", posts[i].ID, err)
		}
	}
	return posts, nil
}
