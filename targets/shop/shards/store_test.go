// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"headroom/targets/shop/store"
)

var errBroken = errors.New("broken for the test")

// fakeShard is one database in maps. It refuses what does not live on it.
type fakeShard struct {
	number, of int

	mu     sync.Mutex
	users  map[int64]store.User
	posts  map[int64]store.Post
	orders map[int64]store.Order
	err    error // answered by everything when set
	hangs  bool  // until the context ends
	asked  int
}

func (f *fakeShard) ask(ctx context.Context) error {
	f.mu.Lock()
	f.asked++
	f.mu.Unlock()
	if f.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.err
}

func (f *fakeShard) Find(ctx context.Context, k store.Key) (any, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	if k.Kind == store.PageOrders {
		return store.OrdersPage{User: k.ID}, nil
	}
	user, ok := f.users[k.ID]
	if !ok {
		return nil, store.ErrNotFound
	}
	return user, nil
}

func (f *fakeShard) UpdateUser(ctx context.Context, id int64, edit store.UserEdit) (store.User, error) {
	user, ok := f.users[id]
	if !ok {
		return store.User{}, store.ErrNotFound
	}
	user.Name = edit.Name
	f.users[id] = user
	return user, f.ask(ctx)
}

func (f *fakeShard) CreatePost(context.Context, store.NewPost) (store.Post, error) {
	return store.Post{}, errors.New("a shard does not know every author")
}

func (f *fakeShard) CreateOrder(ctx context.Context, o store.NewOrder) (store.Order, error) {
	if _, ok := f.users[o.User]; !ok {
		return store.Order{}, store.ErrNotFound
	}
	f.orders[o.ID] = store.Order{ID: o.ID, User: o.User, Item: o.Item}
	return f.orders[o.ID], f.ask(ctx)
}

func (f *fakeShard) Checkout(ctx context.Context, o store.NewOrder) (store.Order, string, error) {
	placed, err := f.CreateOrder(ctx, o)
	return placed, f.users[o.User].Email, err
}

func (f *fakeShard) Gift(ctx context.Context, g store.NewGift) (placed [2]store.Order, err error) {
	for i, order := range g.Orders() {
		if placed[i], err = f.CreateOrder(ctx, order); err != nil {
			return placed, err
		}
	}
	return placed, nil
}

func (f *fakeShard) Search(ctx context.Context, _ string) (found []store.Found, err error) {
	posts, err := f.NewestAlone(ctx)
	for _, p := range posts[:min(len(posts), store.SearchHits)] {
		found = append(found, store.Found{ID: p.ID, Title: p.Title})
	}
	return found, err
}

func (f *fakeShard) PostAlone(ctx context.Context, id int64) (store.Post, error) {
	if err := f.ask(ctx); err != nil {
		return store.Post{}, err
	}
	post, ok := f.posts[id]
	if !ok {
		return store.Post{}, store.ErrNotFound
	}
	return post, nil
}

func (f *fakeShard) NewestAlone(ctx context.Context) ([]store.Post, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	var posts []store.Post
	for _, p := range f.posts {
		posts = append(posts, p)
	}
	return firstBy(posts, store.FeedPosts, func(p store.Post) int64 { return p.ID }), nil
}

func (f *fakeShard) Authors(ctx context.Context, ids []int64) (found []store.Author, err error) {
	for _, id := range ids {
		if Hash(id, f.of) != f.number {
			return nil, fmt.Errorf("user %d was looked for on shard %d", id, f.number)
		}
		if user, ok := f.users[id]; ok {
			found = append(found, store.Author{ID: id, Name: user.Name})
		}
	}
	return found, f.ask(ctx)
}

func (f *fakeShard) InsertPost(ctx context.Context, p store.NewPost) (store.Post, error) {
	f.posts[p.ID] = store.Post{ID: p.ID, Version: 1, Title: p.Title, Author: store.Author{ID: p.Author}}
	return f.posts[p.ID], f.ask(ctx)
}

// counting gives ids from 1001.
type counting struct{ last int64 }

func (c *counting) next() int64 { c.last++; return 1000 + c.last }

// testSharded has users 1 to 100 and posts 1 to 400 on n shards.
func testSharded(n int) (*Store, []*fakeShard) {
	s := &Store{router: ByHash{N: n}, ids: &counting{}}
	var fakes []*fakeShard
	for i := range n {
		f := &fakeShard{number: i, of: n, users: map[int64]store.User{}, posts: map[int64]store.Post{}, orders: map[int64]store.Order{}}
		fakes, s.shards = append(fakes, f), append(s.shards, f)
	}
	for id := int64(1); id <= 100; id++ {
		fakes[Hash(id, n)].users[id] = store.User{ID: id, Name: fmt.Sprint("user ", id), Email: fmt.Sprint(id, "@shop.example")}
	}
	for id := int64(1); id <= 400; id++ {
		fakes[Hash(id, n)].posts[id] = store.Post{ID: id, Title: "w1", Author: store.Author{ID: 1 + id%100}}
	}
	return s, fakes
}

func TestShardedFeedIsTheNewestOfAll(t *testing.T) {
	s, fakes := testSharded(4)
	found, err := s.Find(t.Context(), store.Key{Kind: store.PageFeed})
	if err != nil {
		t.Fatal(err)
	}
	posts := found.(store.FeedPage).Posts
	if len(posts) != store.FeedPosts {
		t.Fatalf("%d posts, want %d", len(posts), store.FeedPosts)
	}
	for i, p := range posts {
		if want := int64(400 - i); p.ID != want || p.Author.Name != fmt.Sprint("user ", 1+want%100) {
			t.Errorf("post %d is %d by %q, want %d", i, p.ID, p.Author.Name, want)
		}
	}
	for _, f := range fakes {
		if f.asked != 2 {
			t.Errorf("shard %d was asked %d times, want once for posts and once for authors", f.number, f.asked)
		}
	}
}

func TestShardedPostAndSearch(t *testing.T) {
	s, _ := testSharded(4)
	for id := int64(1); id <= 400; id++ {
		found, err := s.Find(t.Context(), store.Key{Kind: store.PagePost, ID: id})
		if err != nil || found.(store.Post).Author.Name != fmt.Sprint("user ", 1+id%100) {
			t.Fatalf("post %d: %+v, %v", id, found, err)
		}
	}
	if _, err := s.Find(t.Context(), store.Key{Kind: store.PagePost, ID: 401}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a post that is not there: %v", err)
	}
	found, err := s.Search(t.Context(), "w1")
	if err != nil || len(found) != store.SearchHits || found[0].ID != 400 || found[19].ID != 381 {
		t.Errorf("search: %d found, %v, want the newest 20 of 400", len(found), err)
	}
}

func TestNothingFoundIsAnEmptyList(t *testing.T) {
	s, fakes := testSharded(2)
	for _, f := range fakes {
		f.posts = nil
	}
	found, err := s.Search(t.Context(), "w1")
	if err != nil || found == nil || len(found) > 0 {
		t.Errorf("found %#v, %v, want an empty list and not nil", found, err)
	}
}

func TestShardedWritesGoToOneShard(t *testing.T) {
	s, fakes := testSharded(4)
	for user := int64(1); user <= 100; user++ {
		placed, address, err := s.Checkout(t.Context(), store.NewOrder{User: user, Item: "i"})
		if err != nil || address != fmt.Sprint(user, "@shop.example") {
			t.Fatalf("checkout of %d: %q, %v", user, address, err)
		}
		ordered, err := s.CreateOrder(t.Context(), store.NewOrder{User: user, Item: "i"})
		if err != nil || ordered.ID == placed.ID {
			t.Fatalf("order of %d: %+v, %v", user, ordered, err)
		}
		post, err := s.CreatePost(t.Context(), store.NewPost{Author: user, Title: "t"})
		if err != nil || post.Author.ID != user || post.Author.Name == "" {
			t.Fatalf("post of %d: %+v, %v", user, post, err)
		}
		if _, there := fakes[Hash(post.ID, 4)].posts[post.ID]; !there {
			t.Errorf("post %d is not on shard %d", post.ID, Hash(post.ID, 4))
		}
		if edited, err := s.UpdateUser(t.Context(), user, store.UserEdit{Name: "n"}); err != nil || edited.Name != "n" {
			t.Errorf("edit of %d: %+v, %v", user, edited, err)
		}
	}
	orders := 0
	for _, f := range fakes {
		for _, o := range f.orders {
			orders++
			if Hash(o.User, 4) != f.number {
				t.Errorf("order %d of user %d is on shard %d", o.ID, o.User, f.number)
			}
		}
	}
	if orders != 200 {
		t.Errorf("%d orders, want 200", orders)
	}
	if _, err := s.CreatePost(t.Context(), store.NewPost{Author: 101, Title: "t"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("post of nobody: %v", err)
	}
}

func TestGiftStaysOnOneShard(t *testing.T) {
	s, fakes := testSharded(4)
	for to := int64(2); to <= 20; to++ {
		placed, err := s.Gift(t.Context(), store.NewGift{From: 1, To: to, Item: "i", AmountCents: 1})
		home, away := Hash(1, 4), Hash(to, 4)
		if home == away {
			if err != nil || placed[0].User != 1 || placed[1].User != to || placed[0].ID == placed[1].ID {
				t.Errorf("gift to %d on the same shard: %+v, %v", to, placed, err)
			}
			continue
		}
		want := fmt.Sprintf("users 1 and %d live on shards %d and %d: one transaction cannot span them", to, home, away)
		if err == nil || err.Error() != want {
			t.Errorf("gift to %d: %v, want %q", to, err, want)
		}
		if len(fakes[away].orders) > 0 {
			t.Errorf("gift to %d left half of itself on shard %d", to, away)
		}
	}
	if len(fakes[Hash(1, 4)].orders) == 0 {
		t.Error("no user of 2 to 20 shares a shard with user 1: the test tests nothing")
	}
}

func TestOneFailingShardFailsTheWhole(t *testing.T) {
	s, fakes := testSharded(4)
	fakes[2].err = errBroken
	for name, ask := range map[string]func() error{
		"search": func() error { _, err := s.Search(t.Context(), "w1"); return err },
		"feed":   func() error { _, err := s.Find(t.Context(), store.Key{Kind: store.PageFeed}); return err },
	} {
		var without IncompleteError
		if err := ask(); !errors.As(err, &without) || without.Shard != 2 || !errors.Is(err, errBroken) {
			t.Errorf("%s with shard 2 broken: %v, want an error that names it", name, err)
		}
	}
}

func TestLateShardEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fakes := testSharded(4)
		fakes[1].hangs = true
		var without IncompleteError
		if _, err := s.Search(t.Context(), "w1"); !errors.As(err, &without) || without.Shard != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with shard 1 hanging: %v", err)
		}
	})
}
