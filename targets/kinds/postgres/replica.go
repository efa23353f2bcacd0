// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"headroom/internal/child"
	"headroom/scenarios"
)

// isReplica says whether the server follows a primary.
func (s *server) isReplica() bool { return len(s.spec.Links[scenarios.RolePrimary]) > 0 }

// primary is how a replica reaches its primary, as libpq reads it.
func (s *server) primary() (string, error) {
	address := s.spec.Links[scenarios.RolePrimary][0]
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("primary %q: not host:port", address)
	}
	return fmt.Sprintf("host=%s port=%s user=%s", host, port, pgUser), nil
}

// copyPrimary takes a base backup to a new folder and marks it as a standby's.
// The checkpoint is at once, not spread over minutes, and nothing is forced to
// disk: a backup that is not whole is taken again.
func (s *server) copyPrimary(ctx context.Context, to string) error {
	primary, err := s.primary()
	if err != nil {
		return err
	}
	backup, err := pgCommand(s.host.Dir, "pg_basebackup", "-D", to, "-d", primary,
		"--checkpoint=fast", "--wal-method=stream", "--no-sync", "--no-manifest")
	if err != nil {
		return err
	}
	if err := s.host.Family.Run(ctx, backup, child.Options{Name: "pg_basebackup", Out: s.host.Log}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "standby.signal"), nil, 0o644)
}

// replicaSettings make a hot standby that its primary knows by its machine's
// name, that asks for its primary twice a second when it is away, and whose
// reads the primary's vacuum does not break off.
func (s *server) replicaSettings() ([]string, error) {
	primary, err := s.primary()
	if err != nil {
		return nil, err
	}
	return []string{
		"primary_conninfo=" + primary + " application_name=" + s.host.Machine,
		"hot_standby=on", "hot_standby_feedback=on", "wal_retrieve_retry_interval=500ms",
	}, nil
}

// streams returns nil while a replica receives its primary's log.
func streams(ctx context.Context, conn *pgx.Conn) error {
	var status string
	const sql = "SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'not connected')"
	if err := conn.QueryRow(ctx, sql).Scan(&status); err != nil {
		return err
	}
	if status != "streaming" {
		return fmt.Errorf("the replica's receiver of its primary's log is %s", status)
	}
	return nil
}
