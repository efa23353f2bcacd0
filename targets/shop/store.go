// Package shop is the reference application: a shop with users, posts, orders,
// search, checkout and static assets. It is one small program, meant to be
// read: every pattern that a scenario measures, and every fault of phase 1,
// has a file of its own and is switched by Config.
//
// A request takes this way: routes.go (which handler) -> instrument.go
// (correlation id, metrics, errors) -> handlers.go -> Reader and Writer. These
// compose: pages renders what the database store finds, cacheAside stands
// before pages when there is a cache.
package shop

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// errNotFound says that the thing asked for, or referred to, does not exist.
var errNotFound = errors.New("not found")

// User is a customer and an author.
type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	City      string    `json:"city"`
	Bio       string    `json:"bio"`
	CreatedAt time.Time `json:"created_at"`
	Version   int64     `json:"version"` // counts writes, from 1
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
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	Version   int64     `json:"version"` // counts writes, from 1
	Author    Author    `json:"author"`
}

// Order is one purchase.
type Order struct {
	ID          int64     `json:"id"`
	User        int64     `json:"user"`
	Item        string    `json:"item"`
	AmountCents int64     `json:"amount_cents"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
	Version     int64     `json:"version"` // counts writes, from 1
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
	Author int64  `json:"author"`
	Title  string `json:"title"`
	Body   string `json:"body"`
}

// NewOrder is what POST /api/orders and POST /api/checkout create.
type NewOrder struct {
	User        int64  `json:"user"`
	Item        string `json:"item"`
	AmountCents int64  `json:"amount_cents"`
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

// page is the JSON that a client gets, and whether a cache held it: "hit",
// "miss", or "" where no cache stands.
type page struct {
	json  []byte
	cache string
}

// reader reads pages. errNotFound when there is no such thing.
type reader interface {
	read(ctx context.Context, k key) (page, error)
}

// writer changes the shop. errNotFound when what is edited or referred to does
// not exist.
type writer interface {
	updateUser(ctx context.Context, id int64, edit UserEdit) (User, error)
	createPost(ctx context.Context, post NewPost) (Post, error)
	createOrder(ctx context.Context, order NewOrder) (Order, error)
	// checkout is createOrder in a transaction with the payment; it also finds
	// the address for the confirmation.
	checkout(ctx context.Context, order NewOrder) (placed Order, email string, err error)
}

// searcher finds the newest posts whose title holds a word.
type searcher interface {
	search(ctx context.Context, word string) ([]Found, error)
}
