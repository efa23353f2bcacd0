// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/store"
)

// Filler puts pages into the cache that nobody asked for, so that a measurement
// finds it as long traffic would have left it.
type Filler struct {
	cache   pageAdder
	pages   store.Reader // behind the cache
	workers int
}

const fillBatch = 50 // pages stored in one round trip

// Filler fills v with pages of a reader that stands behind the cache, by so many
// workers at once.
func (v Valkey) Filler(behind store.Reader, workers int) *Filler {
	return &Filler{v, behind, workers}
}

// Filler is Valkey's.
func (c Memcached) Filler(behind store.Reader, workers int) *Filler {
	return &Filler{c, behind, workers}
}

// ServeHTTP answers POST /internal/fill. On an error some pages are there and
// some are not.
func (f *Filler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var wanted spec.FillPages
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, spec.MaxQuestionBytes)).Decode(&wanted); err != nil {
		http.Error(w, "want names of pages with the milliseconds that they are kept: "+err.Error(), http.StatusBadRequest)
		return
	}
	filled, err := f.fill(r.Context(), wanted)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(spec.Filled{Filled: filled}) // who asked may have gone
}

type filling struct {
	key  store.Key
	left time.Duration
}

// pageToAdd is a page as it is to stand in the cache.
type pageToAdd struct {
	filling
	json []byte
}

// pageAdder is a cache that takes pages which are not there yet.
type pageAdder interface {
	add(ctx context.Context, pages []pageToAdd) error
}

func (f *Filler) fill(ctx context.Context, wanted spec.FillPages) (filled int, err error) {
	all := make([]filling, 0, len(wanted))
	for name, ms := range wanted {
		k, err := parseKey(name)
		if err != nil {
			return 0, err
		}
		if ms > 0 {
			all = append(all, filling{k, time.Duration(ms) * time.Millisecond})
		}
	}
	group, ctx := errgroup.WithContext(store.FromPrimary(ctx)) // a replica may lag
	counts := make([]int, f.workers)
	for i := range f.workers {
		part := all[len(all)*i/f.workers : len(all)*(i+1)/f.workers]
		group.Go(func() (err error) {
			counts[i], err = f.store(ctx, part)
			return err
		})
	}
	err = group.Wait()
	for _, n := range counts {
		filled += n
	}
	return filled, err
}

// store reads pages one after the other and keeps them, some at a time.
func (f *Filler) store(ctx context.Context, part []filling) (stored int, err error) {
	var batch []pageToAdd
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		stored += len(batch)
		err := f.cache.add(ctx, batch)
		batch = batch[:0]
		return err
	}
	for _, one := range part {
		found, err := f.pages.Read(ctx, one.key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return stored, fmt.Errorf("read %s: %w", one.key, err)
		}
		batch = append(batch, pageToAdd{one, found.JSON})
		if len(batch) == fillBatch {
			if err := send(); err != nil {
				return stored, err
			}
		}
	}
	return stored, send()
}

// parseKey reads what Key.String writes.
func parseKey(name string) (store.Key, error) {
	kind, id, _ := strings.Cut(name, ":")
	n, err := strconv.ParseInt(id, 10, 64)
	k := store.Key{Kind: store.PageKind(kind), ID: n}
	switch k.Kind {
	case store.PageUser, store.PagePost, store.PageFeed, store.PageOrders:
		if err == nil {
			return k, nil
		}
	}
	return store.Key{}, fmt.Errorf("%q is the name of no page; user:42 is one", name)
}
