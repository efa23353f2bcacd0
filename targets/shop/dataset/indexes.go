// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"context"
	"fmt"
)

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

// DropIndexes removes every secondary index of a seeded database; primary keys
// stay. It is the fault "no index on the lookup column": orders of a user and
// search become scans of a table. Measured by scenario phase1. The dsn is as
// Seed's: a superuser's, of any database of the server.
func DropIndexes(ctx context.Context, dsn string) error {
	conn, err := connect(ctx, dsn, database)
	if err != nil {
		return err
	}
	defer closeSoon(ctx, conn)
	for _, i := range indexes {
		if _, err := conn.Exec(ctx, "DROP INDEX IF EXISTS "+i.name); err != nil {
			return fmt.Errorf("drop index %s: %w", i.name, err)
		}
	}
	return nil
}
