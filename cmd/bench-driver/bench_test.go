// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDistances(t *testing.T) {
	const ms = int64(time.Millisecond)
	even := make([]int64, 1000) // a millisecond apart
	for k := range even {
		even[k] = 7*ms + int64(k)*ms
	}
	shuffled := slices.Clone(even)
	slices.Reverse(shuffled)
	late := slices.Clone(even)
	for k := 0; k < 1000; k += 50 { // 2% are 0.4 ms late
		late[k] += 4 * ms / 10
	}
	for _, c := range []struct {
		name     string
		arrivals []int64
		p50, p99 time.Duration
	}{
		{"none", nil, 0, 0},
		{"even", even, 0, 0},
		{"even, from several connections", shuffled, 0, 0},
		{"some late", late, 0, 400 * time.Microsecond},
		{"two at once", []int64{0, 0}, 500 * time.Microsecond, 500 * time.Microsecond},
	} {
		before := slices.Clone(c.arrivals)
		if p50, p99 := distances(c.arrivals, 1000); p50 != c.p50 || p99 != c.p99 {
			t.Errorf("%s: p50 %v, p99 %v, want %v and %v", c.name, p50, p99, c.p50, c.p99)
		}
		if !slices.Equal(before, c.arrivals) {
			t.Errorf("%s: the arrivals were changed", c.name)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("the median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

// Each tool's command line for each load; none where it can't send it.
func TestCommandLines(t *testing.T) {
	const (
		fast  = "as fast as it goes"
		paced = "paced"
	)
	for _, c := range []struct {
		tool string
		p    protocol
		how  string
		want string
	}{
		{nameOurs, plainHTTP1, fast, "drive --beside --url URL --rate max --connections 64 --duration 8s --json"},
		{nameOurs, tlsHTTP1, fast, "drive --beside --url URL --rate max --connections 64 --insecure --http1 --duration 8s --json"},
		{nameOurs, h2Apart, fast, "drive --beside --url URL --rate max --connections 64 --insecure --http2 --streams 1 --duration 8s --json"},
		{nameOurs, h2Shared, fast, "drive --beside --url URL --rate max --connections 1 --insecure --http2 --streams 64 --duration 8s --json"},
		{nameOurs, plainHTTP1, paced, "drive --beside --url URL --rate 1000/s --arrivals constant --connections 64 --duration 8s --json"},
		{nameOurs, h2Shared, paced, "drive --beside --url URL --rate 1000/s --arrivals constant --connections 1 --insecure --http2 --streams 64 --duration 8s --json"},
		{nameOursVegeta, plainHTTP1, fast, "drive --beside --url URL --rate max --connections 64 --duration 8s --json --engine vegeta"},
		{nameOursVegeta, tlsHTTP1, fast, "drive --beside --url URL --rate max --connections 64 --insecure --http1 --duration 8s --json --engine vegeta"},
		{nameOursVegeta, h2Shared, fast, ""},
		{nameOursVegeta, plainHTTP1, paced, ""},
		{"vegeta", plainHTTP1, fast, "attack -rate 0 -connections 64 -max-workers 64 -max-connections 64 -max-body 0 -duration 8s -output /dev/null"},
		{"vegeta", tlsHTTP1, fast, "attack -rate 0 -connections 64 -max-workers 64 -max-connections 64 -insecure -http2=false -max-body 0 -duration 8s -output /dev/null"},
		{"vegeta", h2Apart, fast, ""},
		{"vegeta", h2Shared, fast, "attack -rate 0 -connections 64 -max-workers 64 -insecure -http2=true -max-body 0 -duration 8s -output /dev/null"},
		{"vegeta", tlsHTTP1, paced, "attack -rate 1000 -connections 64 -insecure -http2=false -max-body 0 -duration 8s -output /dev/null"},
		{"wrk", plainHTTP1, fast, "-t1 -c64 -d8s --latency URL"},
		{"wrk", tlsHTTP1, fast, "-t1 -c64 -d8s --latency URL"},
		{"wrk", h2Apart, fast, ""},
		{"wrk", plainHTTP1, paced, ""},
		{"ab", tlsHTTP1, fast, "-q -k -c 64 -t 8 -n 100000000 URL"},
		{"ab", h2Shared, fast, ""},
		{"ab", plainHTTP1, paced, ""},
		{"h2load", plainHTTP1, fast, "--h1 -t1 -c64 -D 8 URL"},
		{"h2load", tlsHTTP1, fast, "--h1 -t1 -c64 -D 8 URL"},
		{"h2load", h2Apart, fast, "-m1 -t1 -c64 -D 8 URL"},
		{"h2load", h2Shared, fast, "-m64 -t1 -c1 -D 8 URL"},
		{"h2load", h2Shared, paced, ""},
		{"hey", tlsHTTP1, fast, "-c 64 -z 8s URL"},
		{"hey", h2Apart, fast, ""},
		{"hey", h2Shared, fast, "-c 64 -h2 -z 8s URL"},
		{"hey", h2Shared, paced, "-c 64 -q 15.625 -h2 -z 8s URL"},
	} {
		all := tools("bin/headroom", "bin/vegeta")
		i := slices.IndexFunc(all, func(t tool) bool { return t.name == c.tool })
		l := load{protocol: c.p, url: "URL", length: 8 * time.Second}
		if c.how == paced {
			l.rps = 1000
		}
		if got := strings.Join(all[i].args(l), " "); got != c.want {
			t.Errorf("%s over %s, %s:\n got %s\nwant %s", c.tool, c.p.name, c.how, got, c.want)
		}
	}
}

func TestPoissonCommandLine(t *testing.T) {
	l := load{protocol: tlsHTTP1, url: "URL", rps: 5000, poisson: true, length: time.Second}
	want := "drive --beside --url URL --rate 5000/s --arrivals poisson --connections 64 --insecure --http1 --duration 1s --json"
	if got := strings.Join(headroomArgs(l), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestInstalled(t *testing.T) {
	all := []tool{{name: "here", program: "/bin/sh"}, {name: "gone", program: "/nowhere/gone"}}
	here, missing := installed(all)
	if len(here) != 1 || here[0].name != "here" || !slices.Equal(missing, []string{"gone"}) {
		t.Errorf("here %v, missing %v", here, missing)
	}
}

func TestSettings(t *testing.T) {
	good := settings{headroom: "/bin/sh", rounds: 3, length: 8 * time.Second}
	for _, c := range []struct {
		change func(*settings)
		want   string // in the error; empty: none
	}{
		{func(*settings) {}, ""},
		{func(s *settings) { s.only = partTLS }, ""},
		{func(s *settings) { s.only = "udp" }, `--only is "udp"`},
		{func(s *settings) { s.rounds = 0 }, "--rounds is 0"},
		{func(s *settings) { s.length = 1500 * time.Millisecond }, "--length is 1.5s"},
		{func(s *settings) { s.length = 0 }, "--length is 0s"},
		{func(s *settings) { s.length = time.Hour }, "--length is 1h0m0s"},
		{func(s *settings) { s.headroom = "/nowhere/headroom" }, "make build"},
	} {
		s := good
		c.change(&s)
		err := s.check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: the error is %v, want %q", s, err, c.want)
		}
	}
}

func TestHTTP2ByListen(t *testing.T) {
	for version, want := range map[string]bool{
		"nginx version: nginx/1.22.1\n":          true,
		"nginx version: nginx/1.25.0\n":          true,
		"nginx version: nginx/1.25.1\n":          false,
		"nginx version: nginx/1.26.3 (Ubuntu)\n": false,
		"nginx version: nginx/1.9.5\n":           true,
		"nginx version: nginx/2.0.0\n":           false,
		"warning\nnginx version: nginx/1.22.1\n": false, // an error
		"nginx version: openresty/1.25.3.1\n":    false, // an error
	} {
		got, err := http2ByListen(version)
		if got != want || (err != nil) != (strings.HasPrefix(version, "warning") || strings.Contains(version, "openresty")) {
			t.Errorf("%q: %v, %v, want %v", version, got, err, want)
		}
	}
}

func TestPeakMemory(t *testing.T) {
	for _, c := range []struct {
		name                     string
		atEnd, own, polled, want int64 // KB
	}{
		{"larger than ours: its own, whatever was read before", 90_000, 20_000, 80_000, 90_000},
		{"inherited from us", 20_000, 20_000, 5_000, 5_000},
		{"inherited from us, counted a little apart", 20_300, 20_000, 5_000, 5_000},
		{"smaller than ours", 15_000, 20_000, 2_000, 2_000},
	} {
		if got := peakBytes(c.atEnd<<10, c.own<<10, c.polled<<10); got != c.want<<10 {
			t.Errorf("%s: %d bytes, want %d KB", c.name, got, c.want)
		}
	}
}

func TestFirstBytes(t *testing.T) {
	var b firstBytes
	for range 3 {
		if n, err := b.Write(make([]byte, maxOutput/2+1)); n != maxOutput/2+1 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if len(b.kept) != maxOutput {
		t.Errorf("%d bytes were kept, want %d", len(b.kept), maxOutput)
	}
}

// allMet is a run in which everything was measured and met.
func allMet() findings {
	rate := func(tool string, perSecond ...float64) throughput {
		return throughput{tool: tool, perSecond: perSecond, rssMB: 30}
	}
	pace := func(p protocol, rps int, cores string, errorP99, responseP99 float64) paced {
		return paced{tool: nameOurs, ours: true, protocol: p.name, rps: rps, cores: cores, arrived: []float64{1}, errorP50MS: []float64{0}, errorP99MS: []float64{errorP99},
			rounds: 1, valid: 1, responseP99MS: []float64{responseP99}, rssMB: 41}
	}
	return findings{
		throughput: map[string][]throughput{
			plainHTTP1.name: {rate(nameOurs, 96, 1, 200), rate("vegeta", 25), rate("wrk", 100)},
			tlsHTTP1.name:   {rate(nameOurs, 60), rate("vegeta", 20), rate("wrk", 100)},
			h2Apart.name:    {rate(nameOurs, 60), rate("h2load", 100)},
			h2Shared.name:   {rate(nameOurs, 60), rate("vegeta", 20), rate("h2load", 120)},
		},
		pacing: []paced{pace(plainHTTP1, 5000, "", 9, 9), pace(plainHTTP1, 10000, "", 0.1, 9)},
		cores: []paced{
			pace(tlsHTTP1, 5000, driverCore, 0, 1.5), pace(tlsHTTP1, 5000, bothCores, 0, 1),
			pace(h2Shared, 5000, driverCore, 0, 0.5), pace(h2Shared, 5000, bothCores, 0, 1),
		},
	}
}

func TestAskedAllMet(t *testing.T) {
	var measured []string
	for _, a := range allMet().asked(settings{}) {
		measured = append(measured, a.measured)
		if a.met != metYes {
			t.Errorf("%s: %s, want %s", a.asked, a.met, metYes)
		}
	}
	want := []string{"0.96", "3.84", "0.100 ms", "41 MB", "3.00", "0.60", "3.00", "0.50", "0.60", "1 of 1", "1.50", "1 of 1", "0.50"}
	if !slices.Equal(measured, want) {
		t.Errorf("measured %v, want %v", measured, want)
	}
}

// What breaks one row changes that row, and says why.
func TestAskedRows(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name      string
		breaks    func(*findings, *settings)
		row       string // is in what was asked
		met       string
		unchanged int // rows that are met as before
	}{
		{"slower than wrk", func(f *findings, _ *settings) { f.throughput[plainHTTP1.name][2].perSecond[0] = 102 }, "HTTP/1.1: ours / wrk", metNo, 12},
		{"slower than wrk, and nginx had no more to give", func(f *findings, _ *settings) {
			f.throughput[plainHTTP1.name][2].perSecond[0] = 102
			f.throughput[plainHTTP1.name][0].targetBusy = []float64{0.98}
		}, "HTTP/1.1: ours / wrk", metUnseen, 12},
		{"slower than wrk, and nginx had some to give", func(f *findings, _ *settings) {
			f.throughput[plainHTTP1.name][2].perSecond[0] = 102
			f.throughput[plainHTTP1.name][0].targetBusy = []float64{0.94}
		}, "HTTP/1.1: ours / wrk", metNo, 12},
		{"wrk is missing", func(f *findings, _ *settings) {
			f.missing = []string{"wrk"}
			f.throughput[tlsHTTP1.name] = f.throughput[tlsHTTP1.name][:2]
		}, "HTTP/1.1 over TLS: ours / wrk", notMeasured + "wrk is not installed", 11},
		{"vegeta failed", func(f *findings, _ *settings) { f.throughput[tlsHTTP1.name][1].failed = broken }, "over TLS: ours / vegeta", notMeasured + "vegeta failed", 12},
		{"ours failed", func(f *findings, _ *settings) { f.throughput[h2Apart.name][0].failed = broken }, "one stream: ours / h2load", notMeasured + "headroom failed", 12},
		{"late", func(f *findings, _ *settings) { f.pacing[1].errorP99MS[0] = 0.11 }, "pacing at 10000/s", metNo, 12},
		{"too little arrived", func(f *findings, _ *settings) { f.pacing[1].errorP99MS, f.pacing[1].arrived[0] = nil, 0.5 }, "pacing at 10000/s", metNo, 12},
		{"pacing failed", func(f *findings, _ *settings) { f.pacing[1].failed = broken }, "pacing at 10000/s", notMeasured + "headroom failed", 12},
		{"large", func(f *findings, _ *settings) { f.throughput[h2Apart.name][0].rssMB = 61 }, "peak memory", metNo, 12},
		{"large while paced", func(f *findings, _ *settings) { f.cores[0].rssMB = 112 }, "peak memory", metNo, 12},
		{"one round is not valid", func(f *findings, _ *settings) { f.cores[0].rounds = 2 }, "one core, HTTP/1.1 over TLS: valid", metNo, 12},
		{"slower on one core", func(f *findings, _ *settings) { f.cores[0].responseP99MS[0] = 1.6 }, "HTTP/1.1 over TLS: response p99", metNo, 12},
		{"no p99", func(f *findings, _ *settings) { f.cores[3].responseP99MS = nil }, "64 streams: response p99", notMeasured + "too few requests for a p99", 12},
		{"two cores failed", func(f *findings, _ *settings) { f.cores[3].failed = broken }, "64 streams: response p99", notMeasured + "headroom failed", 12},
		{"one part alone", func(f *findings, s *settings) {
			s.only = partTLS
			*f = findings{throughput: map[string][]throughput{tlsHTTP1.name: f.throughput[tlsHTTP1.name]}}
		}, "pacing at 10000/s", notMeasured + "left out by --only tls", 3},
	} {
		f, s := allMet(), settings{}
		c.breaks(&f, &s)
		unchanged := 0
		for _, a := range f.asked(s) {
			if strings.Contains(a.asked, c.row) && a.met != c.met {
				t.Errorf("%s: %s: %s, want %s", c.name, a.asked, a.met, c.met)
			}
			if a.met == metYes {
				unchanged++
			}
		}
		if unchanged != c.unchanged {
			t.Errorf("%s: %d rows are met, want %d", c.name, unchanged, c.unchanged)
		}
	}
}

func TestRatioTo(t *testing.T) {
	results := []throughput{{tool: nameOurs, perSecond: []float64{10, 30, 20}}, {tool: "wrk", perSecond: []float64{40}}, {tool: "ab", failed: errors.New("broken")}}
	for other, want := range map[string]float64{"wrk": 0.5, nameOurs: 1, "ab": math.NaN(), "hey": math.NaN()} {
		got, ok := ratioTo(results, other)
		if ok == math.IsNaN(want) || ok && got != want {
			t.Errorf("ours / %s is %v, %v, want %v", other, got, ok, want)
		}
	}
}

func TestPacedLine(t *testing.T) {
	ours := allMet().pacing[1]
	ours.lagP50MS, ours.lagP99MS = []float64{0.001}, []float64{0.05}
	for _, c := range []struct {
		row  paced
		want string
	}{
		{ours, "| headroom | 10000 | 100.0% | 0.000 | 0.100 | 0.100-0.100 | 0.001 / 0.050 | 1 of 1 | 9.000 | 41 |"},
		{paced{tool: "vegeta", rps: 5000, rounds: 2, arrived: []float64{0.5, 1}, errorP50MS: []float64{1}, errorP99MS: []float64{1}, rssMB: 7}, "| vegeta | 5000 | 75.0% | no grid | no grid | – | – | – | – | 7 |"},
		{paced{tool: "hey", rps: 1000, failed: errors.New("broken")}, "| hey | 1000 | failed | – | – | – | – | – | – | – |"},
	} {
		if got := c.row.line(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestMeasured(t *testing.T) {
	for rounds, want := range map[int]string{1: "one round of 8s", 3: "median of 3 rounds of 8s"} {
		if got := (settings{rounds: rounds, length: 8 * time.Second}).measured(); got != want {
			t.Errorf("%d rounds: %q, want %q", rounds, got, want)
		}
	}
}

func TestFailuresAreAllNamed(t *testing.T) {
	f := allMet()
	if err := f.failures(); err != nil {
		t.Errorf("nothing failed, and the error is %v", err)
	}
	for i, failed := range []*error{&f.throughput[h2Shared.name][1].failed, &f.pacing[0].failed, &f.cores[2].failed} {
		*failed = fmt.Errorf("broken %d", i)
	}
	if err := f.failures(); err == nil || strings.Count(err.Error(), "broken") != 3 {
		t.Errorf("the error is %v, want all three", err)
	}
}
