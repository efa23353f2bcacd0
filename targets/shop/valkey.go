// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"time"

	"github.com/gomodule/redigo/redis"
)

// cacheTimeout bounds every word with the cache: a cache that is slower than
// this is no help.
const cacheTimeout = 100 * time.Millisecond

// valkey is a Valkey server.
type valkey struct{ pool *redis.Pool }

// cacheConnections is how many one shop holds at most; who finds none free
// fails at once and goes to the database.
const cacheConnections = 64

// openValkey connects on first use. Every command is bounded by the
// connection's own timeouts, which cost less than a deadline for each.
func openValkey(address string) valkey {
	return valkey{&redis.Pool{
		MaxIdle:   cacheConnections,
		MaxActive: cacheConnections,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", address,
				redis.DialConnectTimeout(cacheTimeout), redis.DialReadTimeout(cacheTimeout), redis.DialWriteTimeout(cacheTimeout))
		},
	}}
}

func (v valkey) do(ctx context.Context, command string, args ...any) (any, error) {
	conn, err := v.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

// pipeline sends the commands in one round trip and returns the first error.
func (v valkey) pipeline(ctx context.Context, commands ...redis.Args) error {
	conn, err := v.pool.GetContext(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, c := range commands {
		if err := conn.Send(c[0].(string), c[1:]...); err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	for range commands {
		if _, err := conn.Receive(); err != nil {
			return err
		}
	}
	return nil
}

func (v valkey) ping(ctx context.Context) error {
	_, err := v.do(ctx, "PING")
	return err
}

// add keeps pages that are not there yet, all in one round trip.
func (v valkey) add(ctx context.Context, pages []pageToAdd) error {
	commands := make([]redis.Args, len(pages))
	for i, p := range pages {
		commands[i] = redis.Args{"SET", p.key.String(), p.json, "PX", p.left.Milliseconds(), "NX"}
	}
	return v.pipeline(ctx, commands...)
}
