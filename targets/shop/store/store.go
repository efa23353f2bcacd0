// SPDX-License-Identifier: Apache-2.0

// Package store says what the shop keeps, which pages show it, and what each part
// of the shop asks of the part behind it: to read a page, to write, to search. It
// does nothing itself. Packages postgres and shards keep, cache stands in between,
// and the shop's handlers ask.
package store

import (
	"errors"
	"time"
)

// ErrNotFound says that the thing asked for, or referred to, does not exist.
var ErrNotFound = errors.New("not found")

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

// Orders are the two that a gift books.
func (g NewGift) Orders() [2]NewOrder {
	return [2]NewOrder{
		{ID: g.IDs[0], User: g.From, Item: g.Item, AmountCents: g.AmountCents},
		{ID: g.IDs[1], User: g.To, Item: g.Item, AmountCents: g.AmountCents},
	}
}
