// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http"
	"strconv"
)

// sessionHeader says whose session a request belongs to.
const sessionHeader = "X-Session"

type sessionKey struct{}

// withSession puts the session that a request names into its context. A name
// that is no number is refused: to ignore it would quietly take a guarantee
// away.
func withSession(ctx context.Context, header http.Header) (context.Context, error) {
	text := header.Get(sessionHeader)
	if text == "" {
		return ctx, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return ctx, badRequest(sessionHeader + " is a whole number from 1")
	}
	return context.WithValue(ctx, sessionKey{}, id), nil
}

// sessionOf is the session that a request belongs to, 0 when it named none.
func sessionOf(ctx context.Context) int64 {
	id, _ := ctx.Value(sessionKey{}).(int64)
	return id
}

type primaryKey struct{}

// fromPrimary makes every read under ctx go to a primary.
func fromPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, primaryKey{}, true)
}

func readsPrimary(ctx context.Context) bool {
	wanted, _ := ctx.Value(primaryKey{}).(bool)
	return wanted
}
