// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

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

const (
	feedbackLimit = 8 * time.Second // replicas tell theirs every two seconds
	feedbackPoll  = 20 * time.Millisecond
)

// dueSQL makes a transaction, and is the first that begins after it. A replica has to
// tell once more to have told of that one.
const dueSQL = "SELECT pg_current_xact_id()::text::bigint + 1"

// lateSQL are the replicas that have not told so yet. A replica's word is a number
// of 32 bits; how far that lies back is known.
const lateSQL = `
SELECT coalesce(string_agg(application_name, ', ' ORDER BY application_name), '')
  FROM pg_stat_replication
 WHERE state = 'streaming' AND backend_xmin IS NOT NULL
   AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint - age(backend_xmin) < $1`

// Quiet waits until the last of a primary's replicas has told what it still reads,
// after which the primary learns nothing new for two seconds. When the primary hears
// decides which dead versions a statement finds and may clear away, and so how many
// blocks it reads: a counted run would count the moment.
func (s *server) Quiet(ctx context.Context) error {
	if s.isReplica() {
		return nil
	}
	return s.query(ctx, func(conn *pgx.Conn) error { return awaitFeedback(ctx, conn) })
}

func awaitFeedback(ctx context.Context, conn *pgx.Conn) error {
	var due int64
	if err := conn.QueryRow(ctx, dueSQL).Scan(&due); err != nil {
		return err
	}
	patience := time.NewTimer(feedbackLimit)
	defer patience.Stop()
	for {
		var late string
		if err := conn.QueryRow(ctx, lateSQL, due).Scan(&late); err != nil || late == "" {
			return err
		}
		select {
		case <-time.After(feedbackPoll):
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return fmt.Errorf("replicas have not told for %v what they still read: %s", feedbackLimit, late)
		}
	}
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
		// Every two seconds, not every ten, the primary hears what its replicas still read.
		// Until then it keeps every version of a row, and its statements walk past them.
		"wal_receiver_status_interval=2s",
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
