// SPDX-License-Identifier: Apache-2.0

// Package storetest stands for the shop's store in tests.
package storetest

import (
	"context"
	"sync"

	"headroom/targets/shop/store"
)

// Fake reads, writes and searches what a test puts in.
type Fake struct {
	Pages  map[string]string // by Key.String
	Reads  int
	Err    error            // answered by everything when set
	Orders []store.NewOrder // that were booked, but for gifts

	mu sync.Mutex
}

// Read implements store.Reader.
func (f *Fake) Read(_ context.Context, k store.Key) (store.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Reads++
	if f.Err != nil {
		return store.Page{}, f.Err
	}
	text, ok := f.Pages[k.String()]
	if !ok {
		return store.Page{}, store.ErrNotFound
	}
	return store.Page{JSON: []byte(text)}, nil
}

// UpdateUser implements store.Editor.
func (f *Fake) UpdateUser(_ context.Context, id int64, edit store.UserEdit) (store.User, error) {
	return store.User{ID: id, Name: edit.Name, Bio: edit.Bio, Version: 2}, f.Err
}

// CreatePost implements store.Editor.
func (f *Fake) CreatePost(_ context.Context, p store.NewPost) (store.Post, error) {
	return store.Post{ID: 7, Title: p.Title, Author: store.Author{ID: p.Author}}, f.Err
}

// CreateOrder implements store.Seller.
func (f *Fake) CreateOrder(_ context.Context, o store.NewOrder) (store.Order, error) {
	f.Orders = append(f.Orders, o)
	return store.Order{ID: 9, User: o.User, Item: o.Item}, f.Err
}

// Checkout implements store.Seller.
func (f *Fake) Checkout(ctx context.Context, o store.NewOrder) (store.Order, string, error) {
	placed, err := f.CreateOrder(ctx, o)
	return placed, "buyer@shop.example", err
}

// Gift implements store.Seller.
func (f *Fake) Gift(_ context.Context, g store.NewGift) ([2]store.Order, error) {
	return [2]store.Order{{ID: 10, User: g.From}, {ID: 11, User: g.To}}, f.Err
}

// Search implements store.Searcher.
func (f *Fake) Search(_ context.Context, word string) ([]store.Found, error) {
	return []store.Found{{ID: 3, Title: "Amber anchor " + word}}, f.Err
}
