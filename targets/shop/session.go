// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http"
	"strconv"

	"headroom/targets/shop/store"
)

// sessionHeader says whose session a request belongs to.
const sessionHeader = "X-Session"

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
	return store.WithSession(ctx, id), nil
}
