// SPDX-License-Identifier: Apache-2.0

package store

import "context"

type sessionKey struct{}

// WithSession says under ctx whose session a request belongs to.
func WithSession(ctx context.Context, id int64) context.Context {
	return context.WithValue(ctx, sessionKey{}, id)
}

// SessionOf is the session that a request belongs to, 0 when it named none.
func SessionOf(ctx context.Context) int64 {
	id, _ := ctx.Value(sessionKey{}).(int64)
	return id
}

type primaryKey struct{}

// FromPrimary makes every read under ctx go to a primary.
func FromPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, primaryKey{}, true)
}

// ReadsPrimary says that a read under ctx goes to a primary.
func ReadsPrimary(ctx context.Context) bool {
	wanted, _ := ctx.Value(primaryKey{}).(bool)
	return wanted
}
