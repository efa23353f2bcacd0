// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// cachedConn asks one database by a connection that it keeps.
type cachedConn struct {
	dsn   string
	begin func(context.Context, *pgx.Conn) error // on each new connection; nil: nothing

	mu   sync.Mutex
	conn *pgx.Conn
}

// query uses the kept connection, opening it when needed.
func (a *cachedConn) query(ctx context.Context, use func(*pgx.Conn) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn == nil || a.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, a.dsn)
		if err != nil {
			return err
		}
		a.conn = conn
		if a.begin != nil {
			if err := a.begin(ctx, conn); err != nil {
				a.drop()
				return err
			}
		}
	}
	return use(a.conn)
}

// closeConn ends the connection.
func (a *cachedConn) closeConn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.drop()
	}
}

func (a *cachedConn) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.conn.Close(ctx)
	a.conn = nil
}
