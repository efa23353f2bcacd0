// SPDX-License-Identifier: Apache-2.0

// Package valkeypool opens Valkey for a program that must not wait long for it.
package valkeypool

import (
	"context"
	"time"

	"github.com/gomodule/redigo/redis"
)

// connections is how many one program holds at most.
const connections = 64

// Pool is a bounded pool of connections to one Valkey.
type Pool struct {
	pool    *redis.Pool
	timeout time.Duration
}

// Open connects on first use, whether or not Valkey is there. Each step of a
// command is bounded by the timeout: to wait for a connection when all are taken, to
// connect, to write, to read.
func Open(address string, timeout time.Duration) *Pool {
	return &Pool{timeout: timeout, pool: &redis.Pool{
		MaxIdle:   connections,
		MaxActive: connections,
		Wait:      true,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			// The connection's own timeouts cost less than a deadline for each command.
			return redis.DialContext(ctx, "tcp", address,
				redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
		},
	}}
}

// Do sends one command.
func (p *Pool) Do(ctx context.Context, command string, args ...any) (any, error) {
	conn, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

// Run runs a script by its hash, and sends it where Valkey does not know it.
func (p *Pool) Run(ctx context.Context, script *redis.Script, keysAndArgs ...any) (any, error) {
	conn, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return script.Do(conn, keysAndArgs...)
}

func (p *Pool) get(ctx context.Context) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return p.pool.GetContext(ctx)
}

// Ping says whether Valkey answers.
func (p *Pool) Ping(ctx context.Context) error {
	_, err := p.Do(ctx, "PING")
	return err
}

// Close lets go of all connections.
func (p *Pool) Close() error { return p.pool.Close() }
