// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// Who may ask, and in which database, the environment of the image says.
func TestAttachByEnvironment(t *testing.T) {
	for _, test := range []struct {
		env                      map[string]string
		user, password, database string
	}{
		{nil, "postgres", "", "postgres"},
		{map[string]string{"POSTGRES_PASSWORD": "p@ss/word"}, "postgres", "p@ss/word", "postgres"},
		{map[string]string{"POSTGRES_USER": "web"}, "web", "", "web"},
		{map[string]string{"POSTGRES_USER": "web", "POSTGRES_DB": "shop", "PGUSER": "other", "PGDATABASE": "other"}, "web", "", "shop"},
		{map[string]string{"PGUSER": "web", "PGPASSWORD": "x", "PGDATABASE": "shop"}, "web", "x", "shop"},
	} {
		made, err := attach(spec.Process{Address: "after-db", Port: 5433, Service: &scenarios.Service{Env: test.env}})
		if err != nil {
			t.Fatal(err)
		}
		config, err := pgx.ParseConfig(made.(*attached).dsn)
		if err != nil {
			t.Errorf("%v: %v", test.env, err)
			continue
		}
		if config.Host != "after-db" || config.Port != 5433 || config.User != test.user || config.Password != test.password || config.Database != test.database {
			t.Errorf("%v: %s:%d as %s, %q, in %s", test.env, config.Host, config.Port, config.User, config.Password, config.Database)
		}
	}
	if _, err := attach(spec.Process{}); err == nil {
		t.Error("nobody says who may ask, and it is asked")
	}
}

// What a server does not have is told apart from what went wrong.
func TestLack(t *testing.T) {
	for code, want := range map[string]bool{"42883": true, "42P01": true, "42501": true, "55000": true, "57P01": false, "53300": false} {
		if _, lacks := missingFeature(fmt.Errorf("query: %w", &pgconn.PgError{Code: code, Message: "x"})); lacks != want {
			t.Errorf("%s: lacks %v, want %v", code, lacks, want)
		}
	}
	for _, err := range []error{nil, errors.New("connection refused"), context.DeadlineExceeded} {
		if said, lacks := missingFeature(err); lacks || said != "" {
			t.Errorf("%v: lacks %q", err, said)
		}
	}
	const want = "statements_total, statement_ms_total, rows_total: no function: run PostgreSQL 13 or newer, start it with shared_preload_libraries=pg_stat_statements"
	if err := statementCounters.lacking("no function"); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// Counters that the kind names are counted of a server elsewhere too, by the same
// names.
func TestAttachedCountsWhatTheKindCounts(t *testing.T) {
	names := slices.Clone(statementCounters.names)
	for _, f := range serverCounters {
		names = append(names, f.names...)
	}
	for _, name := range names {
		if !slices.Contains(pgCountNames, name) {
			t.Errorf("%s is not among %v", name, pgCountNames)
		}
	}
	for _, c := range Kind().Facts.Counters {
		if !slices.Contains(names, c.SourceKey()) {
			t.Errorf("%s is not among %v", c.SourceKey(), names)
		}
	}
}

// runningServer is a PostgreSQL of this computer with a table of one row.
func runningServer(t *testing.T) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a PostgreSQL: skipped by -short")
	}
	if _, err := find(); err != nil {
		t.Skipf("needs a PostgreSQL on this computer: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the server is another user where we are root
		t.Fatal(err)
	}
	runner, log := &child.Runner{}, child.NewSyncWriter(io.Discard)
	settings := Kind().Process("db").Settings
	settings[SharedBuffers.Name] = "16MB"
	s := newServer(spec.Process{Name: "db", Address: "127.0.0.1", Port: port, Settings: settings},
		machine.Host{Machine: "m", Dir: filepath.Join(dir, "db"), Runner: runner, Log: log})
	t.Cleanup(s.Close)
	cmd, err := s.Command(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	running, err := runner.Start(cmd, child.Options{Name: "db", Stop: s.StopSignal()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Stop(20 * time.Second) })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err = s.Ready(ctx); err != nil; err = s.Ready(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(running.Log.Explain(err))
		}
	}
	return s
}

func attachAs(t *testing.T, s *server, user, database string) *attached {
	t.Helper()
	p := s.spec
	p.Service = &scenarios.Service{Env: map[string]string{"POSTGRES_USER": user, "POSTGRES_DB": database}}
	made, err := attach(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made.(*attached)
}

// application is a connection of an application.
func application(t *testing.T, s *server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=app dbname=app sslmode=disable", s.spec.Port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// A superuser counts the application's statements to the last one, and none of our own.
func TestAttachedToAServer(t *testing.T) {
	s := runningServer(t)
	app := application(t, s)
	if _, err := app.Exec(t.Context(), "CREATE TABLE items (id bigint PRIMARY KEY); INSERT INTO items VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	a := attachAs(t, s, pgUser, spec.AppDatabase)
	before, err := a.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const asked, sql = 5, "SELECT id FROM items ORDER BY id"
	for range asked {
		if _, err := app.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Count(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	work, err := a.Work(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after, err := a.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := after["statements_total"] - before["statements_total"]; got != asked {
		t.Errorf("%v statements, want %d", got, asked)
	}
	if got := after["rows_total"] - before["rows_total"]; got != 2*asked {
		t.Errorf("%v rows, want %d", got, 2*asked)
	}
	for _, f := range append([]counterQuery{statementCounters}, serverCounters...) {
		for _, name := range f.names {
			if _, there := after[name]; !there {
				t.Errorf("%s is missing in %v", name, after)
			}
		}
	}
	calls := map[string]float64{}
	for _, w := range work {
		calls[w.Name] = w.Counts["calls"]
		if strings.Contains(w.Name, "pg_stat") || strings.Contains(w.Name, "pg_locks") {
			t.Errorf("our own statement is counted: %s", w.Name)
		}
	}
	if _, table := calls["items"]; calls[sql] != asked || !table {
		t.Errorf("work is %+v", work)
	}
	if found, err := a.Rows(t.Context(), "items", []int64{2, 99}); err != nil || !slices.Equal(found, []int64{2}) {
		t.Errorf("rows %v, %v", found, err)
	}
}

// Where statements can't be counted, or not without ours, the rest is, and the reason
// says what to do.
func TestAttachedToAServerThatCountsInPart(t *testing.T) {
	s := runningServer(t)
	for _, test := range []struct{ user, database, want string }{
		{spec.AppDatabase, spec.AppDatabase, "user app may not leave what headroom asks out of them: name a superuser"},
		{pgUser, "postgres", "CREATE EXTENSION pg_stat_statements"}, // which is not there in this database
	} {
		a := attachAs(t, s, test.user, test.database)
		counts, err := a.Count(t.Context())
		var unknown *machine.UnknownCountersError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("as %s in %s: error is %v, want %q", test.user, test.database, err, test.want)
		}
		_, statements := counts["statements_total"]
		if _, waiters := counts["lock_waiters"]; statements || !waiters {
			t.Errorf("as %s in %s: %v", test.user, test.database, counts)
		}
		if _, err := a.Work(t.Context()); err != nil {
			t.Errorf("as %s in %s: %v", test.user, test.database, err)
		}
	}
	// No answer is a fault.
	gone := attachAs(t, s, pgUser, "nowhere")
	var unknown *machine.UnknownCountersError
	if counts, err := gone.Count(t.Context()); err == nil || errors.As(err, &unknown) || counts != nil {
		t.Errorf("no such database: %v, %v", counts, err)
	}
}
