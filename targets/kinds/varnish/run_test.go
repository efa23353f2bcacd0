// SPDX-License-Identifier: Apache-2.0

package varnish

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func edge(origin ...string) spec.Process {
	return spec.Process{Name: "varnish", Port: 8082, Links: map[scenarios.Role][]string{"origin": origin},
		Settings: map[string]string{"assets_ttl": "24h0m0s", "api_ttl": "2.5s", "storage": "64MB"}}
}

func TestConfig(t *testing.T) {
	got, err := configOf(edge("after-balancer:8080"))
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/edge.vcl"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (-update rewrites it):\n%s", golden, got)
	}
	for _, part := range []string{`.host = "after-balancer";`, `.port = "8080";`, "beresp.ttl = 86400.000s;", "beresp.ttl = 2.500s;"} {
		if !strings.Contains(got, part) {
			t.Errorf("without %q", part)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	soon := edge("a:1")
	soon.Settings["api_ttl"] = "soon"
	for name, p := range map[string]spec.Process{
		"no origin": edge(), "two": edge("a:1", "b:1"), "no port": edge("a"), "a quote": edge(`a";}:1`), "ttl": soon,
	} {
		if got, err := configOf(p); err == nil {
			t.Errorf("%s gives\n%s", name, got)
		}
	}
}

func TestStorage(t *testing.T) {
	for size, want := range map[string]string{"64MB": "malloc,65536k", "1GB": "malloc,1048576k", "128kB": "malloc,128k"} {
		if got := storage(map[string]string{"storage": size}); got != want {
			t.Errorf("%s is %q, want %s", size, got, want)
		}
	}
}

const sampleVarnishstat = `{"version": 1, "timestamp": "2026-01-01T00:00:00", "counters": {
  "MAIN.client_req": {"description": "Good client requests received", "flag": "c", "format": "i", "value": 11},
  "MAIN.cache_hit": {"value": 2}, "MAIN.cache_miss": {"value": 5}, "MAIN.s_pass": {"value": 3}, "MAIN.n_purges": {"value": 1},
  "MAIN.n_lru_nuked": {"value": 0}, "MAIN.backend_req": {"value": 8}, "MAIN.backend_fail": {"value": 1},
  "MAIN.fetch_failed": {"value": 2}, "MAIN.n_object": {"value": 4}, "SMA.s0.g_bytes": {"value": 4096}}}`

func TestParseVarnishstat(t *testing.T) {
	want := map[string]float64{
		"requests_total": 11, "hits_total": 2, "misses_total": 5, "passes_total": 3, "purges_total": 1, "evictions_total": 0,
		"backend_requests_total": 8, "errors_total": 3, "objects": 4, "bytes": 4096,
	}
	if got, err := parseVarnishstat([]byte(sampleVarnishstat)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, c := range Kind().Facts.Counters { // what the kind says that it counts
		name := c.SourceKey()
		if _, told := want[name]; !told {
			t.Errorf("%s is not among %v", name, want)
		}
	}
}

func FuzzParseVarnishstat(f *testing.F) {
	f.Add([]byte(sampleVarnishstat))
	f.Add([]byte(strings.Replace(sampleVarnishstat, `"MAIN.s_pass": {"value": 3}`, `"MAIN.s_pass": {}`, 1)))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if counts, err := parseVarnishstat(text); err == nil && len(counts) != len(counters) {
			t.Errorf("%q gives %v without an error", text, counts)
		}
	})
}
