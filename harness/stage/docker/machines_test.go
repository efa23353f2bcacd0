// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"headroom/harness/observe"
	"headroom/scenarios"
	"headroom/targets/image"
	"headroom/targets/kinds"
	"headroom/targets/shop/dataset"
	"headroom/targets/shop/shards"
)

// realImage is the machine image of this source, with the real servers.
var realImage = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headroom")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "headroom")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "headroom/cmd/headroom")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	cli, err := Connect(context.Background())
	if err != nil {
		return "", err
	}
	defer cli.Close()
	ref, err := image.Ensure(context.Background(), cli, binary, image.Packages(kinds.Data()), os.Stderr)
	return ref.Tag, err
})

// realUnitCPUs is what a test gives the real servers where it measures nothing.
const realUnitCPUs = 0.25

// openReal opens a stage of the real image; the test's end closes it and
// removes its datasets, which are the test's alone.
func openReal(t *testing.T, unitCPUs float64) *Stage {
	t.Helper()
	cli := connect(t)
	tag, err := realImage()
	if err != nil {
		t.Fatalf("make the machine image: %v", err)
	}
	runID := newRunID(t)
	s, err := Open(t.Context(), Options{
		RunID: runID, Image: tag, DatasetVersion: dataset.Version + runID, Progress: testLog{t}, UnitCPUs: unitCPUs, Period: testPeriod,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after Close
		s.mu.Lock()
		defer s.mu.Unlock()
		removeDatasets(t, len(s.datasets), s.options.DatasetVersion)
	})
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, cli, runID)
	})
	return s
}

// ensureDatasets makes what a topology begins with.
func ensureDatasets(t *testing.T, s *Stage, topology scenarios.Topology) {
	t.Helper()
	for _, d := range topology.Datasets() {
		if err := s.EnsureDataset(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// startReal starts a topology, whose Close is the stage's.
func startReal(t *testing.T, s *Stage, machines ...scenarios.Machine) *System {
	t.Helper()
	last := machines[len(machines)-1]
	request := testRequest(scenarios.After, scenarios.Topology{
		Label: t.Name(), Entry: last.Name + "/" + last.Processes[0].Name, Machines: machines,
	})
	ensureDatasets(t, s, request.Topology)
	return startWithQuotas(t, s, request)
}

// one is a machine of its own group with one process named as its kind. What the
// settings do not say stands at its default.
func one(name string, kind scenarios.KindName, settings map[string]string, links ...scenarios.Link) scenarios.Machine {
	all := processOf(kind, nil).Settings
	maps.Copy(all, settings)
	return scenarios.Machine{Name: name, Group: strings.TrimRight(name, "-0123456789"), VCPU: 2, MemoryGiB: 0.5, Processes: []scenarios.Process{
		processOf(kind, all, links...),
	}}
}

// database begins with what the seed command makes; a replica has none.
func database(name string, seed []string, links ...scenarios.Link) scenarios.Machine {
	m := one(name, "postgres", map[string]string{"indexes": "all", "max_connections": "50", "shared_buffers": "64MB"}, links...)
	m.Processes[0].Seed = seed
	return m
}

// shopSeed makes the shop's data.
func shopSeed(users, posts, orders int, more ...string) []string {
	return append([]string{"headroom", "seed", "--users", strconv.Itoa(users), "--posts", strconv.Itoa(posts), "--orders", strconv.Itoa(orders)}, more...)
}

func target(t *testing.T, sys *System, machine string) observe.Target {
	t.Helper()
	for _, m := range sys.Machines() {
		if m.Name == machine {
			return m.Agent
		}
	}
	t.Fatalf("no machine %s", machine)
	return observe.Target{}
}

// counts are those of the machine's only process, and there are no errors.
func counts(t *testing.T, sys *System, machine string) map[string]float64 {
	t.Helper()
	to := target(t, sys, machine)
	c, err := observe.Read(t.Context(), to.AgentURL, to.Nonce)
	if err != nil || len(c.Errors) > 0 || len(c.Processes) != 1 {
		t.Fatalf("machine %s: %v, %+v", machine, err, c)
	}
	return c.Processes[0].Counts
}

// inside runs a shell's line on a machine and returns its standard output.
func inside(t *testing.T, sys *System, machine, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cli := sys.stage.cli
	created, err := cli.ExecCreate(ctx, containerOf(t, sys, machine), client.ExecCreateOptions{
		AttachStdout: true, AttachStderr: true, Cmd: []string{"bash", "-c", line},
	})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := cli.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, stream.Close)()
	defer stream.Close()
	var out, errOut bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errOut, stream.Reader); err != nil || errOut.Len() > 0 {
		t.Fatalf("%s on %s: %v, %s", line, machine, err, errOut.String())
	}
	return out.String()
}

// sql runs a statement on a machine's database, as the shop does.
func sql(t *testing.T, sys *System, machine, statement string) string {
	t.Helper()
	return strings.TrimSpace(inside(t, sys, machine, fmt.Sprintf(`psql -X -q -h 127.0.0.1 -U app -d app -tA -c "%s"`, statement)))
}

// A row that the primary takes arrives at both replicas, which take none
// themselves, and the primary's machine can say how far they are behind.
func TestReplicasFollow(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	follows := scenarios.Link{Role: "primary", To: []string{"primary/postgres"}}
	sys := startReal(t, s, database("primary", shopSeed(50, 50, 50)), database("replica-1", nil, follows), database("replica-2", nil, follows))
	begun := monotonic(t, sys, "primary")
	sql(t, sys, "primary", "INSERT INTO posts (id, author_id, title, body) VALUES (4611686018427387904, 1, 'A title w1', 'A body')")
	for _, replica := range []string{"replica-1", "replica-2"} {
		eventually(t, replica+" has the row", 10*time.Second, func() bool {
			found, err := observe.Rows(t.Context(), target(t, sys, replica), "postgres", "posts", []int64{50, 51, 4611686018427387904})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(found)
			return slices.Equal(found, []int64{50, 4611686018427387904})
		})
		if got := sql(t, sys, replica, "SELECT pg_is_in_recovery()"); got != "t" {
			t.Errorf("%s is in recovery: %s", replica, got)
		}
		if c := counts(t, sys, replica); c["statements_total"] < 1 || c["lock_waiters"] != 0 {
			t.Errorf("%s: counts %v", replica, c)
		}
	}
	eventually(t, "both replicas' lag is sampled and back to nothing", 10*time.Second, func() bool {
		samples, err := observe.Lag(t.Context(), target(t, sys, "primary"), begun, monotonic(t, sys, "primary"))
		if err != nil {
			t.Fatal(err)
		}
		caughtUp := map[string]int{}
		for _, sample := range samples {
			if sample.MonotonicNano < begun || sample.Bytes < 0 || sample.Ms < 0 {
				t.Fatalf("sample %+v", sample)
			}
			if sample.Bytes == 0 {
				caughtUp[sample.Replica]++
			}
		}
		return len(caughtUp) == 2 && caughtUp["replica-1"] >= 5 && caughtUp["replica-2"] >= 5
	})
	if samples, err := observe.Lag(t.Context(), target(t, sys, "replica-1"), 0, 1<<62); err != nil || len(samples) != 0 {
		t.Errorf("a replica without replicas: %d samples, %v", len(samples), err)
	}
}

func monotonic(t *testing.T, sys *System, machine string) int64 {
	t.Helper()
	to := target(t, sys, machine)
	c, err := observe.Read(t.Context(), to.AgentURL, to.Nonce)
	if err != nil {
		t.Fatal(err)
	}
	return c.MonotonicNano
}

// Two shards hold disjoint rows, each its own, and all of them together.
func TestShardsHoldTheirOwn(t *testing.T) {
	const users, posts, wantOrders = 200, 300, 500
	s := openReal(t, realUnitCPUs)
	sys := startReal(t, s,
		database("shard-1", shopSeed(users, posts, wantOrders, "--shard", "1", "--shards", "2")),
		database("shard-2", shopSeed(users, posts, wantOrders, "--shard", "2", "--shards", "2")))
	for table, count := range map[string]int{"users": users, "posts": posts} {
		all := make([]int64, count+1) // and one that is nowhere
		for i := range all {
			all[i] = int64(i + 1)
		}
		for copy := 1; copy <= 2; copy++ {
			want := slices.DeleteFunc(slices.Clone(all[:count]), func(id int64) bool { return shards.Hash(id, 2) != copy-1 })
			found, err := observe.Rows(t.Context(), target(t, sys, fmt.Sprintf("shard-%d", copy)), "postgres", table, all)
			slices.Sort(found)
			if err != nil || !slices.Equal(found, want) {
				t.Errorf("shard %d has %d rows of %s, want %d: %v", copy, len(found), table, len(want), err)
			}
		}
	}
	orders := 0
	for _, shard := range []string{"shard-1", "shard-2"} {
		var some, strangers int
		answer := sql(t, sys, shard, "SELECT count(*), count(*) FILTER (WHERE u.id IS NULL) FROM orders o LEFT JOIN users u ON u.id = o.user_id")
		if _, err := fmt.Sscanf(answer, "%d|%d", &some, &strangers); err != nil || some == 0 || strangers > 0 {
			t.Errorf("%s: %d orders, %d of users of another shard, %v", shard, some, strangers, err)
		}
		orders += some
	}
	if orders != wantOrders {
		t.Errorf("%d orders, want %d", orders, wantOrders)
	}
	if _, err := observe.Rows(t.Context(), target(t, sys, "shard-1"), "postgres", "bookings", []int64{1}); err == nil || !strings.Contains(err.Error(), `table "bookings"`) || !strings.Contains(err.Error(), "`creates:` must name") {
		t.Errorf("a table that is not there: error %v", err)
	}
}

// request sends one request from a machine to an address and returns the
// answer's status and what its X-Cache says.
func request(t *testing.T, sys *System, machine, address, method, path string) (status, xCache string) {
	t.Helper()
	host, port, _ := strings.Cut(address, ":")
	answer := inside(t, sys, machine, fmt.Sprintf(
		`exec 3<>/dev/tcp/%s/%s; printf '%s %s HTTP/1.1\r\nHost: shop\r\nX-Session: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&3; tr -d '\0' <&3`,
		host, port, method, path))
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	for i, line := range strings.Split(head, "\r\n") {
		if i == 0 {
			status = strings.TrimPrefix(line, "HTTP/1.1 ")
		}
		if value, found := strings.CutPrefix(line, "X-Cache: "); found {
			xCache = value
		}
	}
	return status, xCache
}

// An edge keeps assets and public answers until they are purged, and nothing
// that is a user's; a balancer sends orders to their own app.
func TestEdgeCaches(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	link := func(role scenarios.Role, to ...string) scenarios.Link { return scenarios.Link{Role: role, To: to} }
	app := func(name string) scenarios.Machine {
		return one(name, "shop", map[string]string{
			"feed": "join", "orders": "limited", "email": "background", "pool_size": "2", "cache_ttl": "5m0s", "cache_write": "delete",
			"own_writes": "primary", "own_writes_for": "1s", "shard_by": "hash", "purge": "none",
		}, link("database", "database/postgres"), link("mail", "mail/mail"))
	}
	sys := startReal(t, s, database("database", shopSeed(50, 60, 50)),
		one("mail", "mail", map[string]string{"delay": "1ms"}),
		app("app-1"), app("app-2"),
		one("balancer", "haproxy", map[string]string{"balance": "roundrobin"},
			link("backends", "app-1/shop"), link("orders", "app-2/shop"), link("users", "app-1/shop", "app-2/shop")),
		one("edge", "varnish", map[string]string{"assets_ttl": "24h0m0s", "api_ttl": "1m0s", "storage": "16MB"},
			link("origin", "balancer/haproxy")))
	for _, step := range []struct{ method, path, status, xCache string }{
		{"GET", "/assets/1", "200 OK", "miss"},
		{"GET", "/assets/1", "200 OK", "hit"},
		{"GET", "/api/posts/7", "200 OK", "miss"},
		{"GET", "/api/posts/7", "200 OK", "hit"},
		{"PURGE", "/api/posts/7", "200 Purged", ""},
		{"GET", "/api/posts/7", "200 OK", "miss"},
		{"GET", "/api/posts/999", "404 Not Found", "miss"},
		{"GET", "/api/posts/999", "404 Not Found", "miss"},
		{"GET", "/api/users/7", "200 OK", "pass"},
		{"GET", "/api/orders?user=7", "200 OK", "pass"},
		{"GET", "/health", "200 OK", "pass"},
	} {
		status, xCache := request(t, sys, "balancer", "after-edge:8082", step.method, step.path)
		if status != step.status || xCache != step.xCache {
			t.Errorf("%s %s: %q with X-Cache %q, want %q with %q", step.method, step.path, status, xCache, step.status, step.xCache)
		}
	}
	c := counts(t, sys, "edge")
	if c["hits_total"] != 2 || c["misses_total"] != 5 || c["purges_total"] != 1 || c["objects"] < 2 || c["errors_total"] != 0 {
		t.Errorf("the edge's counts: %v", c)
	}
	if orders := counts(t, sys, "app-2")["requests_total"]; orders < 1 {
		t.Errorf("the app for orders had %v requests", orders)
	}
}

// NATS takes a job into a stream and counts it.
func TestQueueKeepsJobs(t *testing.T) {
	s := openReal(t, realUnitCPUs)
	sys := startReal(t, s, one("queue", "nats", nil))
	if c := counts(t, sys, "queue"); len(c) == 0 || c["streams"] != 0 {
		t.Errorf("before: %v", c)
	}
	const stream = `{"name":"JOBS","subjects":["jobs.>"]}`
	answer := inside(t, sys, "queue", fmt.Sprintf(`exec 3<>/dev/tcp/after-queue/4222
printf 'CONNECT {"verbose":false}\r\nSUB in 1\r\nPUB $JS.API.STREAM.CREATE.JOBS in %d\r\n%%s\r\nPUB jobs.mail in 2\r\nhi\r\n' '%s' >&3
while read -t 10 -r line <&3; do echo "$line"; case "$line" in *'"seq":1'*) break;; esac; done`, len(stream), stream))
	if !strings.Contains(answer, `"stream":"JOBS"`) {
		t.Errorf("it answers %q", answer)
	}
	if c := counts(t, sys, "queue"); c["streams"] != 1 || c["messages"] != 1 || c["published_total"] != 1 {
		t.Errorf("after: %v", c)
	}
	reach := inside(t, sys, "queue", `(exec 3<>/dev/tcp/after-queue/4223) 2>/dev/null && echo open || echo closed`)
	if strings.TrimSpace(reach) != "closed" {
		t.Errorf("from the network its monitor is %q", reach)
	}
}
