// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// edit replaces one piece of the phase 3 file, which must be there.
func edit(t *testing.T, old, replacement string) []byte {
	t.Helper()
	data, err := os.ReadFile("catalog/phase3.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.Contains(text, old) {
		t.Fatalf("phase3.yaml does not hold %q", old)
	}
	return []byte(strings.Replace(text, old, replacement, 1))
}

// lineOf is the 1-based line that holds text, in the edited file.
func lineOf(t *testing.T, data []byte, text string) int {
	t.Helper()
	for i, line := range strings.Split(string(data), "\n") {
		if strings.Contains(line, text) {
			return i + 1
		}
	}
	t.Fatalf("%q is not in the edited file", text)
	return 0
}

// poolless is a piece of phase 3's after, and pooled the same with a PgBouncer between
// the shops and their database.
const (
	poolless = "    cache: {size: small, processes: {valkey: {maxmemory: 256MB}}}\n    app:\n      copies: 5\n      size: medium\n      processes:\n        shop: {database: database/postgres, cache"
	pooled   = "    pool: {size: small, processes: {pgbouncer: {database: database/postgres}}}\n" +
		"    cache: {size: small, processes: {valkey: {maxmemory: 256MB}}}\n    app:\n      copies: 5\n      size: medium\n      processes:\n        shop: {database: pool/pgbouncer, cache"
)

var pooledReplicas = strings.Replace(pooled, "database: pool/pgbouncer", "database: database/postgres, replicas: pool/pgbouncer", 1)

// edges are two of them, one behind the other.
const edges = "    balancer: *balancer\n    inner: {size: small, processes: {varnish: {origin: balancer/haproxy}}}\n" +
	"    outer: {size: small, processes: {varnish: {origin: inner/varnish}}}\n"

// One pool before one database is no shard.
func TestParseTakesAPool(t *testing.T) {
	s, err := scenarios.Parse("mine.yaml", edit(t, poolless, pooled), kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.After.Databases()) != 1 || len(s.After.ShardDatabases()) != 0 {
		t.Errorf("%d databases, %d shards", len(s.After.Databases()), len(s.After.ShardDatabases()))
	}
}

func TestParseRefusesBadScenarios(t *testing.T) {
	tests := []struct {
		name, old, new string
		at             string // text on the line that the error must name
		want           string
	}{
		{"unknown key", "question:", "qestion:", "qestion:", `did you mean "question"?`},
		{"gate of no machines", "\nclaims:", "\ngate: [ap]\nclaims:", "gate:", `before has no machines "ap"; did you mean "app"?`},
		{"gate of one variant's machines", "\nclaims:", "\ngate: [cache]\nclaims:", "gate:", `before has no machines "cache"`},
		{"gate twice", "\nclaims:", "\ngate: [app, app]\nclaims:", "gate:", "stands twice"},
		{"gate of nothing", "\nclaims:", "\ngate: []\nclaims:", "gate:", "names no machines"},
		{"unknown process", "{valkey: {", "{valky: {", "valky", `did you mean "valkey"?`},
		{"unknown setting", "maxmemory: 256MB", "max_memory: 256MB", "max_memory", `did you mean "maxmemory"?`},
		{"a machine called as another's copy", "    balancer: *balancer\n", "    balancer: *balancer\n    app-2: {size: small, processes: {valkey: {maxmemory: 64MB}}}\n", "app-2: {size", `machine app-2 of "app-2" has the name of a machine of "app"`},
		{"unknown size", "cache: {size: small", "cache: {size: smal", "cache: {size", `did you mean "small"?`},
		{"settings that don't go together", "cache: cache/valkey, cache_ttl: 5m,", "cache: cache/valkey, cache_ttl: 5m, purge: write,", "purge: write", "has nobody to tell"},
		{"a time out of range", "cache_ttl: 5m,", "cache_ttl: 0s,", "cache_ttl: 0s", "at least 1ms"},
		{"more connections than a shop takes", "cache_ttl: 5m, mail: mail/mail, pool_size: 2", "cache_ttl: 5m, mail: mail/mail, pool_size: 2000", "pool_size: 2000", "1000"},
		{"missing unit of time", "timeout: 10s", "timeout: 10", "timeout: 10", "time with a unit"},
		{"missing unit of size", "maxmemory: 256MB", "maxmemory: 256", "maxmemory", "size with its unit"},
		{"missing unit of rate", "0.01/s", "0.01", "requests_per_user", "rate with its unit"},
		{"missing unit of weight", `feed", weight: 20%`, `feed", weight: 20`, "GET /api/feed", "share with its unit"},
		{"rate 0", "0.01/s", "0/s", "requests_per_user", "above 0"},
		{"rate below 0", "0.01/s", "-1/s", "requests_per_user", "above 0"},
		{"rate NaN", "0.01/s", "NaN/s", "requests_per_user", "above 0"},
		{"zipf NaN", "user: zipf(0.99)", "user: zipf(NaN)", "keys:", "above 0"},
		{"weights not summing", `feed", weight: 20%`, `feed", weight: 21%`, "mix:", "sum to 101%"},
		{"unknown placeholder", "/api/posts/{post}", "/api/posts/{pots}", "{pots}", "not under load.keys"},
		{"request without method", "GET /api/feed", "/api/feed", `"/api/feed"`, "method and a path"},
		{"link to nothing", "cache: cache/valkey", "cache: cash/valkey", "cash/valkey", `did you mean "cache/valkey"?`},
		{"link to the wrong kind", "cache: cache/valkey", "cache: database/postgres", "cache: database/postgres", "is a postgres"},
		{"link to one who does not speak the protocol", "cache: cache/valkey", "cache: mail/mail", "cache: mail/mail", `"mail/mail" is a mail, which does not speak redis; these do: valkey`},
		{"two pools before one database", poolless, strings.Replace(pooled, "pool: {size", "pool: {copies: 2, size", 1), "pool/pgbouncer", "2 processes that keep no data of their own"},
		{"replicas behind a pool", poolless, pooledReplicas, "replicas: pool", "is a pgbouncer, which does not speak postgresql-replication; these do: postgres"},
		{"an edge behind an edge", "    balancer: *balancer\n", edges, "outer:", "is a varnish, which does not speak http-origin; these do: gateway, haproxy, link, shop"},
		{"copies without end", "copies: 5", "copies: 2000000000", "copies: 2000000000", "at most 64"},
		{"missing link", "shop: {database: database/postgres, cache", "shop: {cache", "shop: {cache", `needs "database"`},
		{"entry nowhere", "entry: balancer/haproxy", "entry: balancer/nginx", "entry: balancer/nginx", "not exactly one process"},
		{"bad SLO", "p99<250ms", "p99<250", "slo:", "time with a unit"},
		{"unknown metric", "p50_ms ratio", "p51_ms ratio", "p51_ms", `did you mean "p50_ms"?`},
		{"claim without a rate", "<= 0.30 at common", "<= 0.30", "0.30", "is no test"},
		{"claim of 0 that is no share", "db_cpu_ms_per_request ratio <= 0.30", "db_cpu_ms_per_request ratio <= 0", "db_cpu_ms", "above 0"},
		{"claim of at least 0", "db_cpu_ms_per_request ratio <= 0.30", "stale_share after >= 0", "stale_share", "above 0"},
		{"SLO of an endpoint from nowhere", "slo: p99<250ms", "slo: GET /api/feed from far p99<250ms", "slo:", `no endpoint "GET /api/feed from far"; known are GET /api/feed,`},
		{"entry of nothing", "entry: balancer/haproxy", "entry: {}", "entry: {}", "at least one entry"},
		{"entry of a place nowhere", "entry: balancer/haproxy", "entry: {far: balancer/nginx}", "entry: {far", "not exactly one process"},
		{"entries of one variant alone", "entry: balancer/haproxy", "entry: {far: balancer/haproxy}", "load:", "entries of the same names"},
		{"from a place that is no entry", `feed", weight: 20%`, `feed", weight: 20%, from: mars`, "load:", "no entry of the topologies"},
		{"unknown oracle", "claims:", "oracles: [stael]\nclaims:", "oracles:", `did you mean "stale"?`},
		{"not YAML", "keys: {user", "keys: {user: [", "keys: {", "not YAML"},
		{"no machine", "size: medium", "", "app:", `"size" is missing`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := edit(t, test.old, test.new)
			_, err := scenarios.Parse("mine.yaml", data, kinds.Data())
			if err == nil {
				t.Fatal("was accepted")
			}
			want := fmt.Sprintf("mine.yaml:%d: ", lineOf(t, data, test.at))
			found := false
			for line := range strings.SplitSeq(err.Error(), "\n") {
				found = found || strings.HasPrefix(line, want) && strings.Contains(line, test.want)
			}
			if !found {
				t.Errorf("want a line %q ... %q, got:\n%v", want, test.want, err)
			}
		})
	}
}

func TestParseEmptyMix(t *testing.T) {
	data := edit(t, "mix:", "mix: []\n  old_mix:")
	_, err := scenarios.Parse("mine.yaml", data, kinds.Data())
	if err == nil || !strings.Contains(err.Error(), "the mix is empty") {
		t.Errorf("got %v", err)
	}
}

func TestCopiesAndStartOrder(t *testing.T) {
	s, err := scenarios.LoadNamed("phase3", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	position := map[string]int{}
	for i, m := range s.After.Machines {
		position[m.Name] = i
	}
	for _, name := range []string{"app-1", "app-5", "cache", "database", "balancer", "mail"} {
		if _, ok := position[name]; !ok {
			t.Fatalf("no machine %s in %v", name, position)
		}
	}
	if position["app-1"] < position["database"] || position["balancer"] < position["app-5"] {
		t.Errorf("a machine starts before what it talks to: %v", position)
	}
	balancer := matching(s.After, "balancer/haproxy")
	if len(balancer) != 1 || len(balancer[0].Process.Links[0].To) != 5 {
		t.Errorf("the balancer should have five backends, is %v", balancer)
	}
	if got := s.After.VCPUs(); got != 4+2+5*2+4 {
		t.Errorf("after has %v vCPU", got)
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{
		"1000/s": 1000, "60/m": 1, " 0.01/s ": 0.01, "3600/h": 1, "1/h": 1.0 / 3600, "1e3/s": 1000,
		"100/1s": 100, "50/500ms": 100, "5000/1m30s": 5000.0 / 90, "86400/24h": 1, "3/.5s": 6,
		"2/ms": 2000, "7/us": 7e6, "7/µs": 7e6,
	} {
		if got, err := scenarios.ParseRate(text); err != nil || math.Abs(got-want) > 1e-12*want {
			t.Errorf("ParseRate(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "1000/s", "1000": "not a rate with its unit", "fast": "1000/s", "/s": "not a rate", "1000 / s": "not a rate", "NaN": "unit",
		"-1/s": "above 0", "0/s": "above 0", "-0/m": "above 0", "Inf/s": "above 0", "NaN/s": "above 0", "1e308/ns": "above 0", "5e-324/h": "above 0", "1e999/s": "not a rate",
		"1/": "the unit", "1/0s": "above 0", "1/-1s": "the unit", "1/-s": "the unit", "1/1": "the unit", "1/s/s": "the unit",
		"1/d": "a day is /24h", "1/1d": "a day is /24h", "1/sec": "the unit", "1/S": "the unit", "1/ s": "the unit", "1/9999999h": "the unit",
	} {
		if got, err := scenarios.ParseRate(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseRate(%q) = %v, %v; want an error that says %q", text, got, err, says)
		}
	}
}

func TestParseClaimOfNoViolation(t *testing.T) {
	data := edit(t, "db_cpu_ms_per_request ratio <= 0.30", "read_your_writes_share after <= 0")
	s, err := scenarios.Parse("mine.yaml", data, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Claims[0]; c.Metric != "read_your_writes_share" || c.Value != 0 || c.Compare != "after" {
		t.Errorf("got %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range scenarios.Names() {
		text, err := scenarios.Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
	}
	f.Add(own("image: a", "port: 80", "links: {database: database/postgres}", `env: {A: "{database}"}`, "ready: {http: /}"))
	f.Add([]byte("name: a\nbefore: &x {machines: *x}\nafter: *y\n"))
	all := kinds.Data()
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenarios.Parse("fuzz.yaml", data, all)
		if err == nil && (s.Name == "" || len(s.Load.Mix) == 0 || len(s.Before.Machines) == 0) {
			t.Errorf("accepted, but incomplete: %+v", s)
		}
	})
}
