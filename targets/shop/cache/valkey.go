// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"time"

	"github.com/gomodule/redigo/redis"
)

// timeout bounds every word with the cache: a cache that is slower than this is no
// help.
const timeout = 100 * time.Millisecond

// Valkey is a Valkey server.
type Valkey struct{ pool *redis.Pool }

// connections is how many one shop holds at most; who finds none free
// fails at once and goes to the database.
const connections = 64

// OpenValkey connects on first use. Every command is bounded by the
// connection's own timeouts, which cost less than a deadline for each.
func OpenValkey(address string) Valkey {
	return Valkey{&redis.Pool{
		MaxIdle:   connections,
		MaxActive: connections,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", address,
				redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
		},
	}}
}

func (v Valkey) do(ctx context.Context, command string, args ...any) (any, error) {
	conn, err := v.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

// pipeline sends the commands in one round trip and returns the first error.
func (v Valkey) pipeline(ctx context.Context, commands ...redis.Args) error {
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

// Close lets go of all connections.
func (v Valkey) Close() { _ = v.pool.Close() }

// Ping says whether Valkey answers.
func (v Valkey) Ping(ctx context.Context) error {
	_, err := v.do(ctx, "PING")
	return err
}

// add keeps pages that are not there yet, all in one round trip.
func (v Valkey) add(ctx context.Context, pages []pageToAdd) error {
	commands := make([]redis.Args, len(pages))
	for i, p := range pages {
		commands[i] = redis.Args{"SET", p.key.String(), p.json, "PX", p.left.Milliseconds(), "NX"}
	}
	return v.pipeline(ctx, commands...)
}
