// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"
)

// plainCache is a pageCache as it is usually written: a write deletes the page
// (setting cache_write: delete), or leaves it to its TTL (none). It knows of no
// session, and nothing of the past that a replica may show.
type plainCache struct {
	valkey
	ttl          time.Duration
	deleteOnSave bool
}

func (c plainCache) look(ctx context.Context, k key) (looked, error) {
	json, err := redis.Bytes(c.do(ctx, "GET", k.String()))
	if errors.Is(err, redis.ErrNil) {
		return looked{}, nil
	}
	return looked{json: json}, err
}

func (c plainCache) keep(ctx context.Context, k key, _ looked, json []byte) error {
	_, err := c.do(ctx, "SET", k.String(), json, "PX", c.ttl.Milliseconds())
	return err
}

func (c plainCache) wrote(ctx context.Context, pages ...key) error {
	if !c.deleteOnSave {
		return nil
	}
	_, err := c.do(ctx, "DEL", redis.Args{}.AddFlat(names(pages))...)
	return err
}

func names(pages []key) []string {
	all := make([]string, len(pages))
	for i, k := range pages {
		all[i] = k.String()
	}
	return all
}
