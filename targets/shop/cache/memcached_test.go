// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"headroom/targets/shop/store"
)

// fakeMemcached keeps values by the commands that the shop gives.
type fakeMemcached struct {
	mu     sync.Mutex
	values map[string]string
	ttls   map[string]string
	stall  chan struct{} // nil: answers at once
}

func (f *fakeMemcached) serve(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f.talk(conn)
		}
	}()
	return listener
}

func (f *fakeMemcached) talk(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if f.stall != nil {
			<-f.stall
		}
		if _, err := io.WriteString(conn, f.answer(strings.Fields(line), in)); err != nil {
			return
		}
	}
}

func (f *fakeMemcached) answer(words []string, in *bufio.Reader) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch words[0] {
	case "get", "gets":
		value, there := f.values[words[1]]
		if !there {
			return "END\r\n"
		}
		return fmt.Sprintf("VALUE %s 0 %d 1\r\n%s\r\nEND\r\n", words[1], len(value), value)
	case "set", "add":
		size, _ := strconv.Atoi(words[4])
		data := make([]byte, size+2)
		_, _ = io.ReadFull(in, data)
		if _, there := f.values[words[1]]; there && words[0] == "add" {
			return "NOT_STORED\r\n"
		}
		f.values[words[1]], f.ttls[words[1]] = string(data[:size]), words[3]
		return "STORED\r\n"
	case "delete":
		if _, there := f.values[words[1]]; !there {
			return "NOT_FOUND\r\n"
		}
		delete(f.values, words[1])
		return "DELETED\r\n"
	case "version":
		return "VERSION 1.6\r\n"
	}
	return "ERROR\r\n"
}

func newFakeMemcached() *fakeMemcached {
	return &fakeMemcached{values: map[string]string{}, ttls: map[string]string{}}
}

func TestMemcached(t *testing.T) {
	fake := newFakeMemcached()
	c := OpenMemcached(fake.serve(t, "127.0.0.1:0").Addr().String(), 90*time.Second, true)
	defer c.Close()
	user := store.Key{Kind: store.PageUser, ID: 7}
	if seen, err := c.Look(t.Context(), user); err != nil || seen.JSON != nil {
		t.Errorf("a page that is not there: %+v, %v", seen, err)
	}
	if err := c.Keep(t.Context(), user, Looked{}, []byte("one")); err != nil || fake.ttls["user:7"] != "90" {
		t.Errorf("%v, kept for %q s", err, fake.ttls["user:7"])
	}
	if seen, err := c.Look(t.Context(), user); err != nil || string(seen.JSON) != "one" {
		t.Errorf("the page is %q, %v", seen.JSON, err)
	}
	// What the cache holds is not overwritten, and what is added stays its own while.
	pages := []pageToAdd{{filling{user, time.Minute}, []byte("old")}, {filling{store.Key{Kind: store.PagePost, ID: 5}, 1500 * time.Millisecond}, []byte("post")}}
	if err := c.add(t.Context(), pages); err != nil || fake.values["user:7"] != "one" || fake.values["post:5"] != "post" || fake.ttls["post:5"] != "2" {
		t.Errorf("%v, %v, %v", err, fake.values, fake.ttls)
	}
	if err := c.Wrote(t.Context(), user, store.Key{Kind: store.PagePost, ID: 99}); err != nil || fake.values["user:7"] != "" {
		t.Errorf("after a write: %v, %v", err, fake.values)
	}
	c.deleteOnSave = false
	if err := c.Wrote(t.Context(), store.Key{Kind: store.PagePost, ID: 5}); err != nil || fake.values["post:5"] != "post" {
		t.Errorf("cache_write: none: %v, %v", err, fake.values)
	}
}

// A memcached that comes after the shop is found, and until then the shop is not
// healthy.
func TestMemcachedThatComesLater(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	_ = first.Close()
	c := OpenMemcached(address, time.Minute, true)
	defer c.Close()
	if err := c.Ping(t.Context()); err == nil {
		t.Error("nobody is there, and the shop is healthy")
	}
	newFakeMemcached().serve(t, address)
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("it is there: %v", err)
	}
}

// As many commands are under way as there are connections; who finds none free is
// told at once.
func TestMemcachedIsBusy(t *testing.T) {
	fake := newFakeMemcached()
	fake.stall = make(chan struct{})
	c := OpenMemcached(fake.serve(t, "127.0.0.1:0").Addr().String(), time.Minute, true)
	defer c.Close()
	for range connections {
		c.free <- struct{}{}
	}
	if _, err := c.Look(t.Context(), store.Key{Kind: store.PageUser, ID: 1}); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	<-c.free
	if _, err := c.Look(t.Context(), store.Key{Kind: store.PageUser, ID: 1}); err == nil || errors.Is(err, errBusy) {
		t.Errorf("a server that does not answer: %v", err)
	}
	if len(c.free) != connections-1 {
		t.Errorf("%d connections are taken", len(c.free))
	}
	close(fake.stall)
}

func TestWholeSeconds(t *testing.T) {
	for ttl, want := range map[time.Duration]int32{0: 1, time.Millisecond: 1, time.Second: 1, 1001 * time.Millisecond: 2, 24 * time.Hour: 86400} {
		if got := wholeSeconds(ttl); got != want {
			t.Errorf("%v is %d s, want %d", ttl, got, want)
		}
	}
}
