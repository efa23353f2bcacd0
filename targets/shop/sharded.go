// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/targets/shop/shards"
)

const (
	gatherTimeout = 2 * time.Second // of everything that one page asks of several shards
	gatherAtOnce  = 8               // shards that one page asks at the same time
)

// sharded is several databases, each with a part of the rows: users and orders
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
//   - One transaction cannot span two shards: see gift.
//   - Ids come from the app: see ids.go. Nothing checks across shards that a
//     post's author still exists after it was looked up.
//
// Measured by scenario phase5; setting shard_by.
type sharded struct {
	shards []shard
	router shards.Router
	ids    interface{ next() int64 }
}

// shard is one database as sharded needs it: all that a store does, and the
// parts of what spans several.
type shard interface {
	store
	parts
}

type parts interface {
	// postAlone and newestAlone leave all of the author empty but its id.
	postAlone(ctx context.Context, id int64) (Post, error)
	newestAlone(ctx context.Context) ([]Post, error)
	authors(ctx context.Context, ids []int64) ([]Author, error)
	insertPost(ctx context.Context, post NewPost) (Post, error)
}

func (s *sharded) of(id int64) int { return s.router.Shard(shards.Key{ID: id}) }

func (s *sharded) find(ctx context.Context, k key) (any, error) {
	switch k.kind {
	case pagePost:
		return s.post(ctx, k.id)
	case pageFeed:
		return s.feed(ctx)
	}
	number := s.of(k.id)
	found, err := s.shards[number].find(ctx, k)
	return found, ofShard(number, err)
}

func (s *sharded) post(ctx context.Context, id int64) (Post, error) {
	number := s.of(id)
	post, err := s.shards[number].postAlone(ctx, id)
	if err != nil {
		return post, ofShard(number, err)
	}
	posts := []Post{post}
	err = s.addAuthors(ctx, posts)
	return posts[0], err
}

func (s *sharded) feed(ctx context.Context) (feedPage, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	newest, err := gather(ctx, s.all(), func(ctx context.Context, number int) ([]Post, error) {
		return s.shards[number].newestAlone(ctx)
	})
	if err != nil {
		return feedPage{}, err
	}
	posts := firstBy(newest, feedPosts, func(p Post) int64 { return p.ID })
	err = s.addAuthors(ctx, posts)
	return feedPage{posts}, err
}

// addAuthors asks each shard once for the authors of posts that live there.
func (s *sharded) addAuthors(ctx context.Context, posts []Post) error {
	wanted := make([][]int64, len(s.shards))
	for _, p := range posts {
		if number := s.of(p.Author.ID); !slices.Contains(wanted[number], p.Author.ID) {
			wanted[number] = append(wanted[number], p.Author.ID)
		}
	}
	asked := slices.DeleteFunc(s.all(), func(number int) bool { return len(wanted[number]) == 0 })
	found, err := gather(ctx, asked, func(ctx context.Context, number int) ([]Author, error) {
		return s.shards[number].authors(ctx, wanted[number])
	})
	if err != nil {
		return err
	}
	byID := make(map[int64]Author, len(found))
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

func (s *sharded) search(ctx context.Context, word string) ([]Found, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	found, err := gather(ctx, s.all(), func(ctx context.Context, number int) ([]Found, error) {
		return s.shards[number].search(ctx, word)
	})
	if err != nil {
		return nil, err
	}
	return firstBy(found, searchHits, func(f Found) int64 { return f.ID }), nil
}

func (s *sharded) updateUser(ctx context.Context, id int64, edit UserEdit) (User, error) {
	number := s.of(id)
	user, err := s.shards[number].updateUser(ctx, id, edit)
	return user, ofShard(number, err)
}

// createPost looks the author up on one shard and writes on another: between
// the two the author may go.
func (s *sharded) createPost(ctx context.Context, post NewPost) (Post, error) {
	home := s.of(post.Author)
	authors, err := s.shards[home].authors(ctx, []int64{post.Author})
	if err != nil {
		return Post{}, ofShard(home, err)
	}
	if len(authors) == 0 {
		return Post{}, errNotFound
	}
	post.ID = s.ids.next()
	number := s.of(post.ID)
	created, err := s.shards[number].insertPost(ctx, post)
	created.Author = authors[0]
	return created, ofShard(number, err)
}

func (s *sharded) createOrder(ctx context.Context, order NewOrder) (Order, error) {
	order.ID = s.ids.next()
	number := s.of(order.User)
	placed, err := s.shards[number].createOrder(ctx, order)
	return placed, ofShard(number, err)
}

func (s *sharded) checkout(ctx context.Context, order NewOrder) (Order, string, error) {
	order.ID = s.ids.next()
	number := s.of(order.User)
	placed, email, err := s.shards[number].checkout(ctx, order)
	return placed, email, ofShard(number, err)
}

// gift is what sharding takes away: one transaction over the rows of two users
// works only while they happen to share a shard.
func (s *sharded) gift(ctx context.Context, gift NewGift) ([2]Order, error) {
	from, to := s.of(gift.From), s.of(gift.To)
	if from != to {
		return [2]Order{}, acrossShards{gift.From, gift.To, from, to}
	}
	gift.IDs = [2]int64{s.ids.next(), s.ids.next()}
	placed, err := s.shards[from].gift(ctx, gift)
	return placed, ofShard(from, err)
}

// all are the numbers of the shards.
func (s *sharded) all() []int {
	numbers := make([]int, len(s.shards))
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// gather asks the shards of these numbers at the same time and returns what
// they found, all of it in the order of numbers. The first failure ends it: its
// error is an incomplete one.
func gather[T any](ctx context.Context, numbers []int, ask func(ctx context.Context, number int) ([]T, error)) ([]T, error) {
	found := make([][]T, len(numbers))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(gatherAtOnce)
	for i, number := range numbers {
		group.Go(func() (err error) {
			if found[i], err = ask(asking, number); err != nil {
				return incomplete{number, err}
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

// incomplete says which shard a page went without, and so is not shown.
type incomplete struct {
	shard int
	err   error
}

func (e incomplete) Error() string { return fmt.Sprintf("shard %d: %v", e.shard, e.err) }

func (e incomplete) Unwrap() error { return e.err }

// acrossShards says why two users cannot be in one transaction. Its text is
// for the client.
type acrossShards struct {
	first, second int64
	on, other     int
}

func (e acrossShards) Error() string {
	return fmt.Sprintf("users %d and %d live on shards %d and %d: one transaction cannot span them", e.first, e.second, e.on, e.other)
}

// ofShard names the shard in an error, for the log.
func ofShard(number int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("shard %d: %w", number, err)
}
