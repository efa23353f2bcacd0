// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headroom/targets/shop/store"
)

// fakeDatabase answers every statement with rows of zero values: fifty for a
// list of posts, else one.
type fakeDatabase struct{ statements []string }

func (f *fakeDatabase) Query(_ context.Context, sql string, _ ...any) (pgx.Rows, error) {
	f.statements = append(f.statements, sql)
	left := 1
	if strings.Contains(sql, "FROM posts") {
		left = store.FeedPosts
	}
	return &fakeRows{left: left}, nil
}

// fakeRows leaves everything that is scanned into as it is.
type fakeRows struct {
	pgx.Rows
	left int
}

func (r *fakeRows) Next() bool                    { r.left--; return r.left >= 0 }
func (r *fakeRows) Scan(...any) error             { return nil }
func (r *fakeRows) Close()                        {}
func (r *fakeRows) Err() error                    { return nil }
func (r *fakeRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }

func TestStatementsOfAFeed(t *testing.T) {
	tests := []struct {
		setting string
		feed    func(context.Context, querier) ([]store.Post, error)
		want    int
	}{
		{"join", feedByJoin, 1},
		{"n_plus_1", feedByNPlus1, 51},
	}
	for _, test := range tests {
		db := &fakeDatabase{}
		posts, err := test.feed(t.Context(), db)
		if err != nil || len(posts) != store.FeedPosts || len(db.statements) != test.want {
			t.Errorf("feed %s: %d posts in %d statements, %v; want %d in %d", test.setting, len(posts), len(db.statements), err, store.FeedPosts, test.want)
		}
	}
}

func TestOnlyUnboundedOrdersHaveNoLimit(t *testing.T) {
	for setting, want := range map[string]bool{"limited": true, "unbounded": false} {
		db := &fakeDatabase{}
		s := newStore(Config{Orders: setting}, nil, nil)
		if _, err := s.orders(t.Context(), db, 42); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(db.statements[0], "LIMIT 20"); got != want {
			t.Errorf("orders %s has a limit: %v, want %v", setting, got, want)
		}
	}
}
