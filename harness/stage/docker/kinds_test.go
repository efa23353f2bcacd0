// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strings"
	"testing"
	"time"

	"headroom/harness/observe"
	"headroom/scenarios"
)

// A shop behind a PgBouncer of one connection, with its pages in memcached: both do
// their part, and tell it.
func TestShopThroughPgBouncerWithPagesInMemcached(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	link := func(role scenarios.Role, to string) scenarios.Link {
		return scenarios.Link{Role: role, To: []string{to}}
	}
	sys := startReal(t, s, database("database", shopSeed(200, 300, 500)),
		one("pool", "pgbouncer", map[string]string{"pool_size": "1"}, link("database", "database/postgres")),
		one("mail", "mail", map[string]string{"delay": "1ms"}),
		one("cache", "memcached", map[string]string{"memory": "64MB"}),
		one("app", "shop", map[string]string{"pool_size": "6", "cache_ttl": "1m0s"},
			link("database", "pool/pgbouncer"), link("mail", "mail/mail"), link("pages", "cache/memcached")))
	for _, step := range []struct{ method, path, body, cache, holds string }{
		{"GET", "/health", "", "", `{"status":"healthy"}`},
		{"GET", "/api/users/7", "", "miss", `{"id":7,"version":1,`},
		{"GET", "/api/users/7", "", "hit", `{"id":7,"version":1,`},
		{"PUT", "/api/users/7", `{"name":"Ada","bio":"b"}`, "", `{"id":7,"version":2,"name":"Ada"`},
		{"GET", "/api/users/7", "", "miss", `{"id":7,"version":2,"name":"Ada"`},
		{"POST", "/api/checkout", `{"user":7,"item":"i","amount_cents":5}`, "", `"user":7`},
	} {
		status, head, text := say(t, sys, step.method, step.path, step.body)
		if !strings.HasPrefix(status, "20") || !strings.Contains(text, step.holds) || step.cache != "" && !strings.Contains(head, "X-Cache: "+step.cache) {
			t.Errorf("%s %s: %s %s %.300s, want a cache's %s and %s", step.method, step.path, status, head, text, step.cache, step.holds)
		}
	}
	if c := counts(t, sys, "cache"); c["hits_total"] != 1 || c["misses_total"] != 2 || c["keys"] != 1 {
		t.Errorf("memcached tells %v", c)
	}
	if c := counts(t, sys, "pool"); c["queries_total"] < 4 || c["transactions_total"] < 4 || c["servers_active"]+c["servers_idle"]+c["servers_used"] != 1 || c["clients_active"]+c["clients_waiting"] < 1 {
		t.Errorf("PgBouncer tells %v", c)
	}
	if c := counts(t, sys, "database"); c["connections"] != 1 {
		t.Errorf("the database has %v connections of clients, want PgBouncer's one", c["connections"])
	}
	work, err := observe.Work(t.Context(), target(t, sys, "cache"))
	if err != nil || len(work) != 3 || work[1].Name != "set" || work[1].Counts["calls"] != 2 {
		t.Errorf("memcached's work is %v, %v", work, err)
	}
}

// A primary with a replica is quiet once the replica has told what it still reads,
// which it does when it is asked.
func TestAPrimaryGetsQuiet(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	sys := startReal(t, s, database("primary", shopSeed(200, 300, 500)),
		database("replica", nil, scenarios.Link{Role: "primary", To: []string{"primary/postgres"}}))
	ask := func(sql string) string {
		return strings.TrimSpace(inside(t, sys, "primary", `psql -X -q -h 127.0.0.1 -U postgres -d app -tA -c "`+sql+`"`))
	}
	for round := range 2 {
		ask("UPDATE users SET version = version + 1 WHERE id = 7")
		due := ask("SELECT pg_snapshot_xmax(pg_current_snapshot())")
		err := observe.Quiet(t.Context(), target(t, sys, "primary"))
		if round > 0 && err == nil { // the replica told a moment ago, and does not for ten seconds
			t.Error("the primary is quiet before its replica has told")
		}
		eventually(t, "the replica tells when it is asked", 5*time.Second, func() bool { // by itself it does every 10 s
			return observe.Quiet(t.Context(), target(t, sys, "replica")) == nil && observe.Quiet(t.Context(), target(t, sys, "primary")) == nil
		})
		if told := ask("SELECT backend_xmin::text::bigint >= " + due + " FROM pg_stat_replication"); told != "t" {
			t.Errorf("the replica's word is older than transaction %s: %q", due, told)
		}
	}
}

// A database that has just started has nothing to vacuum, whether it begins with data or
// empty. Autovacuum looks 20 to 60 seconds later, in the middle of a measurement: a slice
// of 2 s used a quarter more CPU then.
func TestNothingToVacuumAtTheStart(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	sys := startReal(t, s, database("filled", shopSeed(200, 300, 500)), database("empty", nil))
	// Autovacuum's own conditions, at their defaults. It never analyzes pg_statistic.
	const due = `SELECT coalesce(string_agg(s.relname, ' '), 'nothing') FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
		WHERE n_dead_tup > 50 + 0.2 * greatest(reltuples, 0) OR n_ins_since_vacuum > 1000 + 0.2 * greatest(reltuples, 0)
		OR c.relkind = 'r' AND s.relname <> 'pg_statistic' AND n_mod_since_analyze > 50 + 0.1 * greatest(reltuples, 0)`
	for _, machine := range []string{"filled", "empty"} {
		for _, name := range []string{"app", "template1", "postgres"} {
			line := `psql -X -q -h 127.0.0.1 -U postgres -d ` + name + ` -tA -c "` + due + `"`
			if found := strings.TrimSpace(inside(t, sys, machine, line)); found != "nothing" {
				t.Errorf("%s, database %s: autovacuum finds %s", machine, name, found)
			}
		}
	}
}
