// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/targets/shop/store"
)

const (
	gatherTimeout = 2 * time.Second // of everything that one page asks of several shards
	gatherAtOnce  = 8               // shards that one page asks at the same time
)

// Store is several databases, each with a part of the rows: users and orders
// by the user's id, posts by their own.
//
// Gives: writes, memory and disks scale with the number of shards; a lost shard
// takes only its own rows along. Costs: what a single database did in one
// statement.
//   - A post's author may live elsewhere: a post is two statements, one after
//     the other.
//   - The feed asks every shard for its newest 50 and keeps 50 of them all,
//     then asks the shards of their authors: the work grows with the number of
//     shards, and the page is as slow as the slowest of them.
//   - Search likewise: 20 of each shard.
//   - One shard that fails, or is late, fails these pages, with an error that
//     names it: a feed or a search with a hole in it would look like a whole
//     one. The more shards, the likelier.
//   - One transaction cannot span two shards: see Gift.
//   - Ids come from the app: see maker.go. Nothing checks across shards that a
//     post's author still exists after it was looked up.
//
// Measured by scenario phase5; setting shard_by.
type Store struct {
	shards []Database
	router Router
	ids    interface{ next() int64 }
}

// Database is one of several as Store needs it: all that a store does, and the
// parts of what spans several.
type Database interface {
	store.Finder
	store.Writer
	store.Searcher

	// PostAlone and NewestAlone leave all of the author empty but its id.
	PostAlone(ctx context.Context, id int64) (store.Post, error)
	NewestAlone(ctx context.Context) ([]store.Post, error)
	Authors(ctx context.Context, ids []int64) ([]store.Author, error)
	InsertPost(ctx context.Context, post store.NewPost) (store.Post, error)
}

// NewStore spreads rows over databases by the hash of their ids. node is the number
// of this machine, at most MaxNode: the ids that are made here hold the number.
func NewStore(databases []Database, node int) *Store {
	return &Store{shards: databases, router: ByHash{N: len(databases)}, ids: &idMaker{node: int64(node), now: time.Now}}
}

func (s *Store) of(id int64) int { return s.router.Shard(Key{ID: id}) }

// Find implements store.Finder.
func (s *Store) Find(ctx context.Context, k store.Key) (any, error) {
	switch k.Kind {
	case store.PagePost:
		return s.post(ctx, k.ID)
	case store.PageFeed:
		return s.feed(ctx)
	}
	number := s.of(k.ID)
	found, err := s.shards[number].Find(ctx, k)
	return found, ofShard(number, err)
}

func (s *Store) post(ctx context.Context, id int64) (store.Post, error) {
	number := s.of(id)
	post, err := s.shards[number].PostAlone(ctx, id)
	if err != nil {
		return post, ofShard(number, err)
	}
	posts := []store.Post{post}
	err = s.addAuthors(ctx, posts)
	return posts[0], err
}

func (s *Store) feed(ctx context.Context) (store.FeedPage, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	newest, err := gather(ctx, s.all(), func(ctx context.Context, number int) ([]store.Post, error) {
		return s.shards[number].NewestAlone(ctx)
	})
	if err != nil {
		return store.FeedPage{}, err
	}
	posts := firstBy(newest, store.FeedPosts, func(p store.Post) int64 { return p.ID })
	err = s.addAuthors(ctx, posts)
	return store.FeedPage{Posts: posts}, err
}

// addAuthors asks each shard once for the authors of posts that live there.
func (s *Store) addAuthors(ctx context.Context, posts []store.Post) error {
	wanted := make([][]int64, len(s.shards))
	for _, p := range posts {
		if number := s.of(p.Author.ID); !slices.Contains(wanted[number], p.Author.ID) {
			wanted[number] = append(wanted[number], p.Author.ID)
		}
	}
	asked := slices.DeleteFunc(s.all(), func(number int) bool { return len(wanted[number]) == 0 })
	found, err := gather(ctx, asked, func(ctx context.Context, number int) ([]store.Author, error) {
		return s.shards[number].Authors(ctx, wanted[number])
	})
	if err != nil {
		return err
	}
	byID := make(map[int64]store.Author, len(found))
	for _, a := range found {
		byID[a.ID] = a
	}
	for i := range posts {
		author, there := byID[posts[i].Author.ID]
		if !there {
			return fmt.Errorf("post %d: its author, user %d, is not on shard %d", posts[i].ID, posts[i].Author.ID, s.of(posts[i].Author.ID))
		}
		posts[i].Author = author
	}
	return nil
}

// Search implements store.Searcher.
func (s *Store) Search(ctx context.Context, word string) ([]store.Found, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	found, err := gather(ctx, s.all(), func(ctx context.Context, number int) ([]store.Found, error) {
		return s.shards[number].Search(ctx, word)
	})
	if err != nil {
		return nil, err
	}
	return firstBy(found, store.SearchHits, func(f store.Found) int64 { return f.ID }), nil
}

// UpdateUser implements store.Editor.
func (s *Store) UpdateUser(ctx context.Context, id int64, edit store.UserEdit) (store.User, error) {
	number := s.of(id)
	user, err := s.shards[number].UpdateUser(ctx, id, edit)
	return user, ofShard(number, err)
}

// CreatePost looks the author up on one shard and writes on another: between
// the two the author may go.
func (s *Store) CreatePost(ctx context.Context, post store.NewPost) (store.Post, error) {
	home := s.of(post.Author)
	authors, err := s.shards[home].Authors(ctx, []int64{post.Author})
	if err != nil {
		return store.Post{}, ofShard(home, err)
	}
	if len(authors) == 0 {
		return store.Post{}, store.ErrNotFound
	}
	post.ID = s.ids.next()
	number := s.of(post.ID)
	created, err := s.shards[number].InsertPost(ctx, post)
	created.Author = authors[0]
	return created, ofShard(number, err)
}

// CreateOrder implements store.Seller.
func (s *Store) CreateOrder(ctx context.Context, order store.NewOrder) (store.Order, error) {
	order.ID = s.ids.next()
	number := s.of(order.User)
	placed, err := s.shards[number].CreateOrder(ctx, order)
	return placed, ofShard(number, err)
}

// Checkout implements store.Seller.
func (s *Store) Checkout(ctx context.Context, order store.NewOrder) (store.Order, string, error) {
	order.ID = s.ids.next()
	number := s.of(order.User)
	placed, email, err := s.shards[number].Checkout(ctx, order)
	return placed, email, ofShard(number, err)
}

// Gift is what sharding takes away: one transaction over the rows of two users
// works only while they happen to share a shard.
func (s *Store) Gift(ctx context.Context, gift store.NewGift) ([2]store.Order, error) {
	from, to := s.of(gift.From), s.of(gift.To)
	if from != to {
		return [2]store.Order{}, AcrossError{First: gift.From, Second: gift.To, On: from, Other: to}
	}
	gift.IDs = [2]int64{s.ids.next(), s.ids.next()}
	placed, err := s.shards[from].Gift(ctx, gift)
	return placed, ofShard(from, err)
}

// all are the numbers of the shards.
func (s *Store) all() []int {
	numbers := make([]int, len(s.shards))
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// gather asks the shards of these numbers at the same time and returns what
// they found, all of it in the order of numbers. The first failure ends it: its
// error is an IncompleteError.
func gather[T any](ctx context.Context, numbers []int, ask func(ctx context.Context, number int) ([]T, error)) ([]T, error) {
	found := make([][]T, len(numbers))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(gatherAtOnce)
	for i, number := range numbers {
		group.Go(func() (err error) {
			if found[i], err = ask(asking, number); err != nil {
				return IncompleteError{Shard: number, Err: err}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := []T{} // an empty list is [] in JSON, and nil is null
	return append(all, slices.Concat(found...)...), nil
}

// firstBy returns the n with the highest ids, the highest first.
func firstBy[T any](all []T, n int, id func(T) int64) []T {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(id(b), id(a)) })
	return all[:min(n, len(all))]
}

// IncompleteError says which shard a page went without, and so is not shown.
type IncompleteError struct {
	Shard int
	Err   error
}

// Error names the shard.
func (e IncompleteError) Error() string { return fmt.Sprintf("shard %d: %v", e.Shard, e.Err) }

// Unwrap is why.
func (e IncompleteError) Unwrap() error { return e.Err }

// AcrossError says why two users cannot be in one transaction. Its text is
// for the client.
type AcrossError struct {
	First, Second int64 // users
	On, Other     int   // shards
}

// Error names the users and the shards.
func (e AcrossError) Error() string {
	return fmt.Sprintf("users %d and %d live on shards %d and %d: one transaction cannot span them", e.First, e.Second, e.On, e.Other)
}

// ofShard names the shard in an error, for the log.
func ofShard(number int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("shard %d: %w", number, err)
}
