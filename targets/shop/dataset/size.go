// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"cmp"
	"fmt"
)

// Size is how much data a database of the shop holds, in rows of the whole shop.
type Size struct {
	Users, Posts, Orders int
	// Terms is how many words titles are searched by, one in each; 0: 1,000. So
	// a search finds Posts / Terms of them, on as many pages of the table.
	Terms int
	// Shard of Shards is which of the rows a database gets, from 1, by the hash of
	// their key; with no shards a database has all rows.
	Shard, Shards int
}

const defaultTerms = 1000

func (s Size) terms() int { return cmp.Or(s.Terms, defaultTerms) }

// check says what is wrong with a size.
func (s Size) check() error {
	if s.Users < 1 || s.Posts < 1 || s.Orders < 1 {
		return fmt.Errorf("%d users, %d posts, %d orders: there must be at least one of each", s.Users, s.Posts, s.Orders)
	}
	if s.Terms < 0 {
		return fmt.Errorf("%d terms: there can't be fewer than none", s.Terms)
	}
	if s.Shards < 0 || s.Shards == 0 && s.Shard != 0 || s.Shards > 0 && (s.Shard < 1 || s.Shard > s.Shards) {
		return fmt.Errorf("shard %d of %d: shards are counted from 1", s.Shard, s.Shards)
	}
	return nil
}
