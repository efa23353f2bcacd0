// SPDX-License-Identifier: Apache-2.0

package haproxy

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

func TestConfig(t *testing.T) {
	got, err := configOf(spec.Process{
		Name: "lb", Port: 8080,
		Settings: map[string]string{"balance": "leastconn"},
		Links: map[scenarios.Role][]string{
			"backends": {"app-1:8000", "127.0.0.1:8001", "[::1]:8002"},
			"orders":   {"app-4:8000", "app-1:8000"},
			"search":   {"app-4:8000"},
		},
	}, "/run/lb/haproxy.sock", true)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/haproxy.cfg"
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
}

func TestConfigRefuses(t *testing.T) {
	for _, links := range []map[scenarios.Role][]string{
		nil, {"backends": {"app-1"}}, {"backends": {"app-1:8000", "nonsense"}},
		{"orders": {"app-1:8000"}}, {"backends": {"app-1:8000"}, "users": {"app-2"}},
	} {
		if got, err := configOf(spec.Process{Links: links}, "s", false); err == nil {
			t.Errorf("links %q give\n%s", links, got)
		}
	}
}

// sampleStats is what "show stat" answers, less most of its columns.
const sampleStats = `# pxname,svname,qcur,req_tot,ereq,econ,eresp,status,check_status,addr,tracked,
users,FRONTEND,,1200,3,,,OPEN,,,,
apps,app1,0,500,,1,2,UP,L7OK,10.0.0.2:8000,,
apps,app2,0,500,,1,0,UP,L7OK,10.0.0.3:8000,,
apps,BACKEND,5,1000,,2,2,UP,,,,
api-orders,orders1,0,200,,1,0,UP,,10.0.0.3:8000,apps/app2,
api-orders,BACKEND,2,200,,1,0,UP,,,,

`

func TestStats(t *testing.T) {
	rows, err := parseStats(strings.NewReader(sampleStats))
	if err != nil {
		t.Fatal(err)
	}
	if err := allUp(rows); err != nil {
		t.Errorf("all are up, but: %v", err)
	}
	got, err := countsOf(rows)
	want := map[string]float64{"requests_total": 1200, "errors_total": 8, "queue": 7}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, c := range Kind().Facts.Counters { // what the kind says that it counts
		name := c.SourceKey()
		if _, told := got[name]; !told {
			t.Errorf("%s is not among %v", name, got)
		}
	}
}

func TestBackendsNotUp(t *testing.T) {
	for what, text := range map[string]string{
		"down":                     strings.Replace(sampleStats, "0,UP,L7OK,10.0.0.3", "0,DOWN,L4CON,10.0.0.3", 1),
		"not checked":              strings.Replace(sampleStats, "0,UP,L7OK,10.0.0.3", "0,UP,INI,10.0.0.3", 1),
		"follows one that is down": strings.Replace(sampleStats, "0,UP,,10.0.0.3", "0,DOWN,,10.0.0.3", 1),
		"port closed":              strings.Replace(sampleStats, "OPEN", "STOP", 1),
		"none":                     "# pxname,svname,status\nusers,FRONTEND,OPEN\n",
	} {
		rows, err := parseStats(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if allUp(rows) == nil {
			t.Errorf("%s: counts as up", what)
		}
	}
}

func TestStatsRefuses(t *testing.T) {
	for _, bad := range []string{"", "Unknown command: show stat\n", "# pxname,svname\n\"x\n"} {
		if rows, err := parseStats(strings.NewReader(bad)); err == nil {
			t.Errorf("%q gives %v without an error", bad, rows)
		}
	}
	for _, bad := range []string{"# pxname,svname\n", strings.Replace(sampleStats, "1200", "many", 1), strings.ReplaceAll(sampleStats, "BACKEND", "x")} {
		rows, err := parseStats(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if counts, err := countsOf(rows); err == nil {
			t.Errorf("%q gives %v without an error", bad, counts)
		}
	}
}

func FuzzParseStats(f *testing.F) {
	f.Add(sampleStats)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := parseStats(strings.NewReader(text))
		if err != nil {
			return
		}
		if counts, err := countsOf(rows); err == nil && len(counts) != 3 {
			t.Errorf("counts are %v", counts)
		}
	})
}

// A machine that shares its host must not take the port of all others.
func TestBindsItsAddress(t *testing.T) {
	got, err := configOf(spec.Process{Address: "127.64.0.9", Port: 8080,
		Links: map[scenarios.Role][]string{"backends": {"127.64.0.10:8000"}}}, "s", false)
	if err != nil || !strings.Contains(got, "bind 127.64.0.9:8080\n") {
		t.Errorf("%v\n%s", err, got)
	}
}
