// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"headroom/targets/shop/shards"
)

// fakeShard is one database in maps. It refuses what does not live on it.
type fakeShard struct {
	number, of int

	mu     sync.Mutex
	users  map[int64]User
	posts  map[int64]Post
	orders map[int64]Order
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

func (f *fakeShard) find(ctx context.Context, k key) (any, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	if k.kind == pageOrders {
		return ordersPage{User: k.id}, nil
	}
	user, ok := f.users[k.id]
	if !ok {
		return nil, errNotFound
	}
	return user, nil
}

func (f *fakeShard) updateUser(ctx context.Context, id int64, edit UserEdit) (User, error) {
	user, ok := f.users[id]
	if !ok {
		return User{}, errNotFound
	}
	user.Name = edit.Name
	f.users[id] = user
	return user, f.ask(ctx)
}

func (f *fakeShard) createPost(context.Context, NewPost) (Post, error) {
	return Post{}, errors.New("a shard does not know every author")
}

func (f *fakeShard) createOrder(ctx context.Context, o NewOrder) (Order, error) {
	if _, ok := f.users[o.User]; !ok {
		return Order{}, errNotFound
	}
	f.orders[o.ID] = Order{ID: o.ID, User: o.User, Item: o.Item}
	return f.orders[o.ID], f.ask(ctx)
}

func (f *fakeShard) checkout(ctx context.Context, o NewOrder) (Order, string, error) {
	placed, err := f.createOrder(ctx, o)
	return placed, f.users[o.User].Email, err
}

func (f *fakeShard) gift(ctx context.Context, g NewGift) (placed [2]Order, err error) {
	for i, order := range g.orders() {
		if placed[i], err = f.createOrder(ctx, order); err != nil {
			return placed, err
		}
	}
	return placed, nil
}

func (f *fakeShard) search(ctx context.Context, _ string) (found []Found, err error) {
	posts, err := f.newestAlone(ctx)
	for _, p := range posts[:min(len(posts), searchHits)] {
		found = append(found, Found{ID: p.ID, Title: p.Title})
	}
	return found, err
}

func (f *fakeShard) postAlone(ctx context.Context, id int64) (Post, error) {
	if err := f.ask(ctx); err != nil {
		return Post{}, err
	}
	post, ok := f.posts[id]
	if !ok {
		return Post{}, errNotFound
	}
	return post, nil
}

func (f *fakeShard) newestAlone(ctx context.Context) ([]Post, error) {
	if err := f.ask(ctx); err != nil {
		return nil, err
	}
	var posts []Post
	for _, p := range f.posts {
		posts = append(posts, p)
	}
	return firstBy(posts, feedPosts, func(p Post) int64 { return p.ID }), nil
}

func (f *fakeShard) authors(ctx context.Context, ids []int64) (found []Author, err error) {
	for _, id := range ids {
		if shards.Hash(id, f.of) != f.number {
			return nil, fmt.Errorf("user %d was looked for on shard %d", id, f.number)
		}
		if user, ok := f.users[id]; ok {
			found = append(found, Author{ID: id, Name: user.Name})
		}
	}
	return found, f.ask(ctx)
}

func (f *fakeShard) insertPost(ctx context.Context, p NewPost) (Post, error) {
	f.posts[p.ID] = Post{ID: p.ID, Version: 1, Title: p.Title, Author: Author{ID: p.Author}}
	return f.posts[p.ID], f.ask(ctx)
}

// counting gives ids from 1001.
type counting struct{ last int64 }

func (c *counting) next() int64 { c.last++; return 1000 + c.last }

// testSharded has users 1 to 100 and posts 1 to 400 on n shards.
func testSharded(n int) (*sharded, []*fakeShard) {
	s := &sharded{router: shards.ByHash{N: n}, ids: &counting{}}
	var fakes []*fakeShard
	for i := range n {
		f := &fakeShard{number: i, of: n, users: map[int64]User{}, posts: map[int64]Post{}, orders: map[int64]Order{}}
		fakes, s.shards = append(fakes, f), append(s.shards, f)
	}
	for id := int64(1); id <= 100; id++ {
		fakes[shards.Hash(id, n)].users[id] = User{ID: id, Name: fmt.Sprint("user ", id), Email: fmt.Sprint(id, "@shop.example")}
	}
	for id := int64(1); id <= 400; id++ {
		fakes[shards.Hash(id, n)].posts[id] = Post{ID: id, Title: "w1", Author: Author{ID: 1 + id%100}}
	}
	return s, fakes
}

func TestShardedFeedIsTheNewestOfAll(t *testing.T) {
	s, fakes := testSharded(4)
	found, err := s.find(t.Context(), key{kind: pageFeed})
	if err != nil {
		t.Fatal(err)
	}
	posts := found.(feedPage).Posts
	if len(posts) != feedPosts {
		t.Fatalf("%d posts, want %d", len(posts), feedPosts)
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
		found, err := s.find(t.Context(), key{pagePost, id})
		if err != nil || found.(Post).Author.Name != fmt.Sprint("user ", 1+id%100) {
			t.Fatalf("post %d: %+v, %v", id, found, err)
		}
	}
	if _, err := s.find(t.Context(), key{pagePost, 401}); !errors.Is(err, errNotFound) {
		t.Errorf("a post that is not there: %v", err)
	}
	found, err := s.search(t.Context(), "w1")
	if err != nil || len(found) != searchHits || found[0].ID != 400 || found[19].ID != 381 {
		t.Errorf("search: %d found, %v, want the newest 20 of 400", len(found), err)
	}
}

func TestNothingFoundIsAnEmptyList(t *testing.T) {
	s, fakes := testSharded(2)
	for _, f := range fakes {
		f.posts = nil
	}
	found, err := s.search(t.Context(), "w1")
	if err != nil || found == nil || len(found) > 0 {
		t.Errorf("found %#v, %v, want an empty list and not nil", found, err)
	}
}

func TestShardedWritesGoToOneShard(t *testing.T) {
	s, fakes := testSharded(4)
	for user := int64(1); user <= 100; user++ {
		placed, address, err := s.checkout(t.Context(), NewOrder{User: user, Item: "i"})
		if err != nil || address != fmt.Sprint(user, "@shop.example") {
			t.Fatalf("checkout of %d: %q, %v", user, address, err)
		}
		ordered, err := s.createOrder(t.Context(), NewOrder{User: user, Item: "i"})
		if err != nil || ordered.ID == placed.ID {
			t.Fatalf("order of %d: %+v, %v", user, ordered, err)
		}
		post, err := s.createPost(t.Context(), NewPost{Author: user, Title: "t"})
		if err != nil || post.Author.ID != user || post.Author.Name == "" {
			t.Fatalf("post of %d: %+v, %v", user, post, err)
		}
		if _, there := fakes[shards.Hash(post.ID, 4)].posts[post.ID]; !there {
			t.Errorf("post %d is not on shard %d", post.ID, shards.Hash(post.ID, 4))
		}
		if edited, err := s.updateUser(t.Context(), user, UserEdit{Name: "n"}); err != nil || edited.Name != "n" {
			t.Errorf("edit of %d: %+v, %v", user, edited, err)
		}
	}
	orders := 0
	for _, f := range fakes {
		for _, o := range f.orders {
			orders++
			if shards.Hash(o.User, 4) != f.number {
				t.Errorf("order %d of user %d is on shard %d", o.ID, o.User, f.number)
			}
		}
	}
	if orders != 200 {
		t.Errorf("%d orders, want 200", orders)
	}
	if _, err := s.createPost(t.Context(), NewPost{Author: 101, Title: "t"}); !errors.Is(err, errNotFound) {
		t.Errorf("post of nobody: %v", err)
	}
}

func TestGiftStaysOnOneShard(t *testing.T) {
	s, fakes := testSharded(4)
	for to := int64(2); to <= 20; to++ {
		placed, err := s.gift(t.Context(), NewGift{From: 1, To: to, Item: "i", AmountCents: 1})
		home, away := shards.Hash(1, 4), shards.Hash(to, 4)
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
	if len(fakes[shards.Hash(1, 4)].orders) == 0 {
		t.Error("no user of 2 to 20 shares a shard with user 1: the test tests nothing")
	}
}

func TestOneFailingShardFailsTheWhole(t *testing.T) {
	s, fakes := testSharded(4)
	fakes[2].err = errBroken
	for name, ask := range map[string]func() error{
		"search": func() error { _, err := s.search(t.Context(), "w1"); return err },
		"feed":   func() error { _, err := s.find(t.Context(), key{kind: pageFeed}); return err },
	} {
		var without incomplete
		if err := ask(); !errors.As(err, &without) || without.shard != 2 || !errors.Is(err, errBroken) {
			t.Errorf("%s with shard 2 broken: %v, want an error that names it", name, err)
		}
	}
}

func TestLateShardEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fakes := testSharded(4)
		fakes[1].hangs = true
		var without incomplete
		if _, err := s.search(t.Context(), "w1"); !errors.As(err, &without) || without.shard != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with shard 1 hanging: %v", err)
		}
	})
}

// What an outside checker reads: the first "id" and "version" are the page's own.
func TestJSONBeginsWithItsOwnIDAndVersion(t *testing.T) {
	quoted := `"version":9,"id":9`
	for _, v := range []any{
		User{ID: 5, Version: 3, Name: quoted, Bio: quoted},
		Post{ID: 5, Version: 3, Title: quoted, Author: Author{ID: 8}},
		Order{ID: 5, Version: 3, User: 8, Item: quoted},
		struct {
			Orders [2]Order `json:"orders"`
		}{[2]Order{{ID: 5, Version: 3}, {ID: 6, Version: 4}}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"id":5,`, `"version":3,`} {
			name, _, _ := strings.Cut(want, ":")
			if at := strings.Index(string(text), name+":"); at < 0 || at > 40 || !strings.HasPrefix(string(text[at:]), want) {
				t.Errorf("%s: the first %s of %s is not its own", reflect.TypeOf(v), name, text)
			}
		}
	}
}
