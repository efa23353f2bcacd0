// SPDX-License-Identifier: Apache-2.0

package dataset

// index is one secondary index and the look-up that needs it. The feed needs
// none: newest is highest id, which the primary key serves.
type index struct {
	name   string
	create string
}

// Search must use the same expression as posts_title_search, to the letter.
//
// Its fastupdate is off: with it PostgreSQL keeps new posts in a list beside the
// index until a vacuum, an hour of this shop's load away, and every search reads
// the whole list. At 1,500 requests/s, 2% of them posts, that made the database's
// work for an average request a quarter larger within three minutes.
var indexes = []index{
	{"posts_author", "CREATE INDEX posts_author ON posts (author_id)"},
	{"orders_user_newest", "CREATE INDEX orders_user_newest ON orders (user_id, id DESC)"},
	{"posts_title_search", "CREATE INDEX posts_title_search ON posts USING gin (to_tsvector('simple', title)) WITH (fastupdate = off)"},
}
