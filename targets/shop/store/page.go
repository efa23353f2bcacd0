// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"strconv"
)

// PageKind is a kind of page that can be read, and cached, by key.
type PageKind string

// The kinds of page.
const (
	PageUser   PageKind = "user"
	PagePost   PageKind = "post"
	PageFeed   PageKind = "feed"   // one page for everybody: ID is 0
	PageOrders PageKind = "orders" // ID is the user's
)

// Key names one page.
type Key struct {
	Kind PageKind
	ID   int64
}

// String is the page's key in the cache, for example user:42.
func (k Key) String() string { return string(k.Kind) + ":" + strconv.FormatInt(k.ID, 10) }

// Page is the JSON that a client gets, and what the cache had to do with it:
// "hit", "miss", "pass" (not asked for, see cache.Marked), or "" where no cache
// stands.
type Page struct {
	JSON  []byte
	Cache string
}

// FeedPage is the newest posts, with their authors.
type FeedPage struct {
	Posts []Post `json:"posts"`
}

// OrdersPage is a user's orders, the newest first.
type OrdersPage struct {
	User   int64   `json:"user"`
	Orders []Order `json:"orders"`
}

// How much pages of several things show, the newest of each.
const (
	FeedPosts  = 50
	SearchHits = 20
)

// Reader reads pages. ErrNotFound when there is no such thing.
type Reader interface {
	Read(ctx context.Context, k Key) (Page, error)
}

// Finder finds what a page shows. ErrNotFound when there is no such thing.
type Finder interface {
	Find(ctx context.Context, k Key) (any, error)
}

// Writer changes the shop. ErrNotFound when what is edited or referred to does
// not exist.
type Writer interface {
	Editor
	Seller
}

// Editor writes what everybody sees.
type Editor interface {
	UpdateUser(ctx context.Context, id int64, edit UserEdit) (User, error)
	CreatePost(ctx context.Context, post NewPost) (Post, error)
}

// Seller books orders.
type Seller interface {
	CreateOrder(ctx context.Context, order NewOrder) (Order, error)
	// Checkout is CreateOrder in a transaction with the payment; it also finds
	// the address for the confirmation.
	Checkout(ctx context.Context, order NewOrder) (placed Order, email string, err error)
	// Gift books two orders in one transaction, or neither.
	Gift(ctx context.Context, gift NewGift) ([2]Order, error)
}

// Searcher finds the newest posts whose title holds a word.
type Searcher interface {
	Search(ctx context.Context, word string) ([]Found, error)
}
