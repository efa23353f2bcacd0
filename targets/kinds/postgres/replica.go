// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
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
	if err := s.host.Runner.Run(ctx, backup, child.Options{Name: "pg_basebackup", Out: s.host.Log}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "standby.signal"), nil, 0o644)
}

// feedbackDueSQL is the first transaction that has not begun. Once every replica has
// fed back that much, nobody needs the versions of rows that died before.
const feedbackDueSQL = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

// feedbackLateSQL lists the replicas that have not fed back that much yet, or nothing
// at all. A replica's feedback is a transaction number of 32 bits; age() tells how
// far it lies back.
const feedbackLateSQL = `
SELECT coalesce(string_agg(application_name, ', ' ORDER BY application_name), '')
  FROM pg_stat_replication
 WHERE application_name <> 'pg_basebackup' AND (state <> 'streaming' OR backend_xmin IS NULL
    OR pg_snapshot_xmax(pg_current_snapshot())::text::bigint - age(backend_xmin) < $1)`

// Quiesce has a replica send its hot standby feedback, which tells the primary what
// the replica still reads. Of a primary it is nil once the feedback of all replicas
// covers every dead row version. By themselves replicas send it every ten seconds.
// The feedback decides which dead versions a statement may clear away, and so how
// many blocks the statement reads: without Quiesce a count would depend on the
// moment.
func (s *server) Quiesce(ctx context.Context) error {
	// A connection of its own: counters are asked for meanwhile.
	conn, err := pgx.Connect(ctx, pgDSN(s.host.Dir, s.spec.Port, spec.AppDatabase))
	if err != nil {
		return err
	}
	if s.isReplica() {
		err = sendFeedback(ctx, conn)
	} else {
		err = checkFeedback(ctx, conn)
	}
	return errors.Join(err, conn.Close(ctx))
}

// sendFeedback has a replica that is up to date send its feedback at once. A replica
// sends feedback whenever it reads its configuration, and then not for ten seconds.
func sendFeedback(ctx context.Context, conn *pgx.Conn) error {
	if err := streams(ctx, conn); err != nil {
		return err
	}
	var behind bool
	const sql = "SELECT pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()"
	if err := conn.QueryRow(ctx, sql).Scan(&behind); err != nil {
		return err
	}
	if behind {
		return errors.New("the replica has not shown all yet that it has received")
	}
	_, err := conn.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

func checkFeedback(ctx context.Context, conn *pgx.Conn) error {
	var due int64
	if err := conn.QueryRow(ctx, feedbackDueSQL).Scan(&due); err != nil {
		return err
	}
	var late string
	if err := conn.QueryRow(ctx, feedbackLateSQL, due).Scan(&late); err != nil {
		return err
	}
	if late != "" {
		return fmt.Errorf("replicas have not told yet what they still read: %s", late)
	}
	return nil
}

// replicaSettings make a hot standby. The primary knows it by its machine's name. It
// reconnects to a primary that is away twice a second. The primary's vacuum does not
// cancel its reads.
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
