// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"

	"headroom/targets/shop/store"
)

// Plain keeps Pages in Valkey as is usually done: a write deletes the page (setting
// cache_write: delete), or leaves it to its TTL (none). Plain knows of no session,
// and nothing of the past that a replica may show.
type Plain struct {
	server       Valkey
	ttl          time.Duration
	deleteOnSave bool
}

// NewPlain keeps pages in server for ttl.
func NewPlain(server Valkey, ttl time.Duration, deleteOnSave bool) Plain {
	return Plain{server, ttl, deleteOnSave}
}

// Look implements Pages.
func (c Plain) Look(ctx context.Context, k store.Key) (Looked, error) {
	json, err := redis.Bytes(c.server.do(ctx, "GET", k.String()))
	if errors.Is(err, redis.ErrNil) {
		return Looked{}, nil
	}
	return Looked{JSON: json}, err
}

// Keep implements Pages.
func (c Plain) Keep(ctx context.Context, k store.Key, _ Looked, json []byte) error {
	_, err := c.server.do(ctx, "SET", k.String(), json, "PX", c.ttl.Milliseconds())
	return err
}

// Wrote implements Pages.
func (c Plain) Wrote(ctx context.Context, pages ...store.Key) error {
	if !c.deleteOnSave {
		return nil
	}
	_, err := c.server.do(ctx, "DEL", redis.Args{}.AddFlat(names(pages))...)
	return err
}

func names(pages []store.Key) []string {
	all := make([]string, len(pages))
	for i, k := range pages {
		all[i] = k.String()
	}
	return all
}
