// SPDX-License-Identifier: Apache-2.0

// Package shop is the reference application: a shop with users, posts, orders,
// search, checkout and static assets. It is one small program, meant to be
// read: every pattern that a scenario measures, and every fault of phase 1,
// has a file of its own and is switched by Config.
//
// A request takes this way: routes.go (which handler) -> instrument.go
// (correlation id, session, metrics, errors) -> handlers.go -> reader and
// writer. These compose, from the inside out: postgres is one database, whose
// reads the replica router spreads over its copies (replicas.go); sharded
// stands before several of them (sharded.go); pages renders what is found;
// cacheAside stands before pages when there is a cache; purging tells the edges
// of a CDN (purge.go). compose in shop.go puts them together.
package shop

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// errNotFound says that the thing asked for, or referred to, does not exist.
var errNotFound = errors.New("not found")

// The JSON of a user, a post and an order begins with its own id and version:
// whoever checks consistency from outside reads the first of each and no more.

// User is a customer and an author.
type User struct {
	ID        int64     `json:"id"`
	Version   int64     `json:"version"` // counts writes, from 1
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	City      string    `json:"city"`
	Bio       string    `json:"bio"`
	CreatedAt time.Time `json:"created_at"`
}

// Author is what a reader of a post sees of its user.
type Author struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	City string `json:"city"`
	Bio  string `json:"bio"`
}

// Post is a post with its author.
type Post struct {
	ID        int64     `json:"id"`
	Version   int64     `json:"version"` // counts writes, from 1
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	Author    Author    `json:"author"`
}

// Order is one purchase.
type Order struct {
	ID          int64     `json:"id"`
	Version     int64     `json:"version"` // counts writes, from 1
	User        int64     `json:"user"`
	Item        string    `json:"item"`
	AmountCents int64     `json:"amount_cents"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
}

// Found is one hit of a search.
type Found struct {
	ID        int64     `json:"id"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
}

// UserEdit is what PUT /api/users/{id} replaces.
type UserEdit struct {
	Name string `json:"name"`
	Bio  string `json:"bio"`
}

// NewPost is what POST /api/posts creates.
type NewPost struct {
	ID     int64  `json:"-"` // made by the shop where there are shards; 0: by the database
	Author int64  `json:"author"`
	Title  string `json:"title"`
	Body   string `json:"body"`
}

// NewOrder is what POST /api/orders and POST /api/checkout create.
type NewOrder struct {
	ID          int64  `json:"-"` // as NewPost's
	User        int64  `json:"user"`
	Item        string `json:"item"`
	AmountCents int64  `json:"amount_cents"`
}

// NewGift is what POST /api/gifts creates: the same thing for the giver and for
// whom it is given to, an order each.
type NewGift struct {
	From        int64    `json:"from"`
	To          int64    `json:"to"`
	Item        string   `json:"item"`
	AmountCents int64    `json:"amount_cents"`
	IDs         [2]int64 `json:"-"` // of the two orders, as NewPost's
}

// orders are the two that a gift books.
func (g NewGift) orders() [2]NewOrder {
	return [2]NewOrder{
		{ID: g.IDs[0], User: g.From, Item: g.Item, AmountCents: g.AmountCents},
		{ID: g.IDs[1], User: g.To, Item: g.Item, AmountCents: g.AmountCents},
	}
}

// pageKind is a kind of page that can be read, and cached, by key.
type pageKind string

const (
	pageUser   pageKind = "user"
	pagePost   pageKind = "post"
	pageFeed   pageKind = "feed"   // one page for everybody: ID is 0
	pageOrders pageKind = "orders" // ID is the user's
)

// key names one page.
type key struct {
	kind pageKind
	id   int64
}

// String is the page's key in the cache, for example user:42.
func (k key) String() string { return string(k.kind) + ":" + strconv.FormatInt(k.id, 10) }

// page is the JSON that a client gets, and what the cache had to do with it:
// "hit", "miss", "pass" (not asked for, see markedCache), or "" where no cache
// stands.
type page struct {
	json  []byte
	cache string
}

// reader reads pages. errNotFound when there is no such thing.
type reader interface {
	read(ctx context.Context, k key) (page, error)
}

// finder finds what a page shows. errNotFound when there is no such thing.
type finder interface {
	find(ctx context.Context, k key) (any, error)
}

// writer changes the shop. errNotFound when what is edited or referred to does
// not exist.
type writer interface {
	editor
	seller
}

type editor interface {
	updateUser(ctx context.Context, id int64, edit UserEdit) (User, error)
	createPost(ctx context.Context, post NewPost) (Post, error)
}

type seller interface {
	createOrder(ctx context.Context, order NewOrder) (Order, error)
	// checkout is createOrder in a transaction with the payment; it also finds
	// the address for the confirmation.
	checkout(ctx context.Context, order NewOrder) (placed Order, email string, err error)
	// gift books two orders in one transaction, or neither.
	gift(ctx context.Context, gift NewGift) ([2]Order, error)
}

// searcher finds the newest posts whose title holds a word.
type searcher interface {
	search(ctx context.Context, word string) ([]Found, error)
}

// store is all that there is of users, posts and orders.
type store interface {
	finder
	writer
	searcher
}
