// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// statementsKey finds a request's own counter in its context.
type statementsKey struct{}

// CountStatements lets the database statements of one request be counted.
func CountStatements(ctx context.Context) (context.Context, *atomic.Int64) {
	count := new(atomic.Int64)
	return context.WithValue(ctx, statementsKey{}, count), count
}

// statementTracer counts the statements that a request sends to PostgreSQL:
// 51 for one page is what an N+1 looks like from within.
type statementTracer struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (statementTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if count, ok := ctx.Value(statementsKey{}).(*atomic.Int64); ok {
		count.Add(1)
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (statementTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
