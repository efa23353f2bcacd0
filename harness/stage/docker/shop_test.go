// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"headroom/harness/observe"
	"headroom/scenarios"
	"headroom/targets/shop/shards"
)

// say sends one request of session 7 to the app and returns the answer.
func say(t *testing.T, sys *System, method, path, body string) (status, head, text string) {
	t.Helper()
	answer := inside(t, sys, "app", fmt.Sprintf(
		`exec 3<>/dev/tcp/127.0.0.1/8000; printf '%s %s HTTP/1.1\r\nHost: shop\r\nX-Session: 7\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%%s' '%s' >&3; cat <&3`,
		method, path, len(body), body))
	head, text, _ = strings.Cut(answer, "\r\n\r\n")
	status, head, _ = strings.Cut(strings.TrimPrefix(head, "HTTP/1.1 "), "\r\n")
	return status, head, text
}

// newShop is an app on two shards with a replica each.
func newShop(t *testing.T) *System {
	t.Helper()
	s := openReal(t, realUnitCPUs)
	link := func(role scenarios.Role, to ...string) scenarios.Link { return scenarios.Link{Role: role, To: to} }
	return startReal(t, s,
		database("shard-1", shopSeed(200, 300, 500, "--shard", "1", "--shards", "2")),
		database("shard-2", shopSeed(200, 300, 500, "--shard", "2", "--shards", "2")),
		database("replica-1", nil, link("primary", "shard-1/postgres")), database("replica-2", nil, link("primary", "shard-2/postgres")),
		one("mail", "mail", map[string]string{"delay": "1ms"}),
		one("cache", "valkey", map[string]string{"maxmemory": "16MB"}),
		one("app", "shop", map[string]string{
			"feed": "join", "orders": "limited", "email": "background", "pool_size": "4", "cache_ttl": "5m0s", "cache_write": "delete",
			"own_writes": "primary", "own_writes_for": "1s", "shard_by": "hash", "purge": "none",
		}, link("database", "shard-1/postgres", "shard-2/postgres"), link("replicas", "replica-1/postgres", "replica-2/postgres"),
			link("mail", "mail/mail"), link("cache", "cache/valkey")))
}

// The shop's pages, put together from shards and read from replicas, and its
// writes, each on its shard.
func TestShopOnShardsAndReplicas(t *testing.T) {
	sys := newShop(t)
	eventually(t, "both replicas take reads", 10*time.Second, func() bool { return counts(t, sys, "app")["replicas_healthy"] == 2 })
	for _, step := range []struct{ method, path, body, status, holds string }{
		{"GET", "/health", "", "200 OK", `{"status":"healthy"}`},
		{"GET", "/api/users/7", "", "200 OK", `{"id":7,"version":1,`},
		{"GET", "/api/users/201", "", "404 Not Found", "not found"},
		{"GET", "/api/feed", "", "200 OK", `{"posts":[{"id":300,"version":1,`},
		{"GET", "/api/posts/12", "", "200 OK", `"author":{"id":`},
		{"GET", "/api/orders?user=7", "", "200 OK", `{"user":7,"orders":[{"id":`},
		{"GET", "/api/search?q=title", "", "200 OK", `"posts":[`},
		{"PUT", "/api/users/7", `{"name":"Ada","bio":"b"}`, "200 OK", `{"id":7,"version":2,"name":"Ada"`},
		{"GET", "/api/users/7", "", "200 OK", `{"id":7,"version":2,"name":"Ada"`},
		{"POST", "/api/checkout", `{"user":999,"item":"i","amount_cents":5}`, "404 Not Found", "not found"},
	} {
		if status, head, text := say(t, sys, step.method, step.path, step.body); status != step.status || !strings.Contains(text, step.holds) {
			t.Errorf("%s %s: %s %s %.300s, want %s with %s", step.method, step.path, status, head, text, step.status, step.holds)
		}
	}
	for _, write := range []struct{ path, body, table string }{
		{"/api/orders", `{"user":7,"item":"i","amount_cents":5}`, "orders"},
		{"/api/checkout", `{"user":8,"item":"i","amount_cents":5}`, "orders"},
		{"/api/posts", `{"author":9,"title":"new w1","body":"b"}`, "posts"},
	} {
		status, _, text := say(t, sys, "POST", write.path, write.body)
		var made struct{ ID, User int64 }
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != "201 Created" {
			t.Fatalf("POST %s: %s %s", write.path, status, text)
		}
		key := made.User
		if write.table == "posts" {
			key = made.ID
		}
		for copy := 1; copy <= 2; copy++ {
			found, err := observe.Rows(t.Context(), target(t, sys, fmt.Sprintf("shard-%d", copy)), "postgres", write.table, []int64{made.ID})
			if want := shards.Hash(key, 2) == copy-1; err != nil || slices.Contains(found, made.ID) != want {
				t.Errorf("POST %s: row %d is on shard %d: %v (%v), want %v", write.path, made.ID, copy-1, !want, err, want)
			}
		}
	}
	if status, _, text := say(t, sys, "GET", "/api/feed", ""); !strings.Contains(text, `"title":"new w1"`) {
		t.Errorf("the session's own feed: %s %.300s", status, text)
	}
	gifts(t, sys)
	if c := counts(t, sys, "app"); c["replica_reads_total"] == 0 || c["primary_reads_total"] == 0 || c["replica_failures_total"] != 0 || c["cache_errors_total"] != 0 {
		t.Errorf("counts %v", c)
	}
}

// A replica that stands still serves no session that wrote, and after a moment
// nobody.
func TestShopReadsItsOwnWrites(t *testing.T) {
	sys := newShop(t)
	healthy := func(n float64) func() bool {
		return func() bool { return counts(t, sys, "app")["replicas_healthy"] == n }
	}
	eventually(t, "both replicas take reads", 10*time.Second, healthy(2))
	replay := func(word string) {
		inside(t, sys, fmt.Sprintf("replica-%d", shards.Hash(7, 2)+1), `psql -X -q -h 127.0.0.1 -U postgres -d postgres -tA -c "SELECT pg_wal_replay_`+word+`()"`)
	}
	replay("pause")
	for version := 2; version <= 5; version++ {
		say(t, sys, "PUT", "/api/users/7", fmt.Sprintf(`{"name":"name %d","bio":"b"}`, version))
		status, head, text := say(t, sys, "GET", "/api/users/7", "")
		if !strings.HasPrefix(text, fmt.Sprintf(`{"id":7,"version":%d,`, version)) || !strings.Contains(head, "X-Cache: pass") {
			t.Errorf("write %d: the session reads %s %s %.100s", version, status, head, text)
		}
	}
	eventually(t, "the replica that stands still is taken out", 10*time.Second, healthy(1))
	if _, _, text := say(t, sys, "GET", "/health", ""); !strings.Contains(text, "behind its primary") {
		t.Errorf("health: %s", text)
	}
	replay("resume")
	eventually(t, "it is back", 10*time.Second, healthy(2))
}

// gifts are booked for users of one shard and refused across two.
func gifts(t *testing.T, sys *System) {
	t.Helper()
	for to := 2; to <= 9; to++ {
		status, _, text := say(t, sys, "POST", "/api/gifts", fmt.Sprintf(`{"from":1,"to":%d,"item":"i","amount_cents":5}`, to))
		want, holds := "201 Created", `{"orders":[{"id":`
		if shards.Hash(1, 2) != shards.Hash(int64(to), 2) {
			want, holds = "409 Conflict", "one transaction cannot span them"
		}
		if status != want || !strings.Contains(text, holds) {
			t.Errorf("gift to %d: %s %s, want %s with %s", to, status, text, want, holds)
		}
	}
}

// A replica that is killed while it is read from fails no read.
func TestShopLosesAReplica(t *testing.T) {
	sys := newShop(t)
	eventually(t, "both replicas take reads", 10*time.Second, func() bool { return counts(t, sys, "app")["replicas_healthy"] == 2 })
	answers := make(chan string)
	go func() {
		answers <- inside(t, sys, "app", `for user in $(seq 1 200); do
			exec 3<>/dev/tcp/127.0.0.1/8000
			printf 'GET /api/users/%s HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n' $user >&3
			head -1 <&3
		done`)
	}()
	eventually(t, "reads have begun", 10*time.Second, func() bool { return counts(t, sys, "app")["replica_reads_total"] > 20 })
	if _, err := sys.stage.cli.ContainerKill(t.Context(), containerOf(t, sys, "replica-1"), client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	text := <-answers
	if ok := strings.Count(text, "200 OK"); ok != 200 {
		t.Errorf("%d of 200 reads answered: %s", ok, strings.ReplaceAll(text, "HTTP/1.1 200 OK\r\n", ""))
	}
	status, _, health := say(t, sys, "GET", "/health", "")
	if status != "200 OK" || !strings.Contains(health, `"degraded":{"replica 0":`) || strings.Contains(health, "away") {
		t.Errorf("health: %s %s", status, health)
	}
}
