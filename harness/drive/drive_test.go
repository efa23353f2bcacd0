// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

func TestEverythingIsAccountedFor(t *testing.T) {
	tg := startTarget(t, reply("HTTP/1.1 200 OK\r\nX-Cache: HIT\r\nContent-Length: 5\r\n\r\nhello"))
	job := jobFor(tg, 500, time.Second)
	job.Warmup, job.CountHeaders = 200*time.Millisecond, []string{"x-cache"}
	job.Mix = []scenarios.Endpoint{
		{Name: "a", Method: "GET", Path: "/a", Weight: 0.5, Expect: "ell"},
		{Name: "b", Method: "PUT", Path: "/b", Weight: 0.5, Body: "0123456789"},
	}
	m := mustDrive(t, job)
	if m.Planned != 500 || m.Sent != 500 || m.Succeeded != 500 || m.Interrupted {
		t.Errorf("planned %d, sent %d, succeeded %d; want 500 of each", m.Planned, m.Sent, m.Succeeded)
	}
	if got := tg.requests.Load(); got != 600 {
		t.Errorf("the target saw %d requests, want 600 with the warm-up", got)
	}
	b := m.Endpoints[1]
	if m.BytesIn != 2500 || m.BytesOut != 10*b.Sent || m.Counts["x-cache: HIT"] != 500 || m.Status["200"] != 500 {
		t.Errorf("%d bytes in, %d out, counts %v, status %v", m.BytesIn, m.BytesOut, m.Counts, m.Status)
	}
	if m.OfferedRPS != 500 || m.AchievedRPS != 500 || m.DurationS != 1 || m.WarmupS != 0.2 || m.InFlightCap != 1000 || m.Arrivals != "constant" {
		t.Errorf("%+v", m)
	}
	if len(m.Timeline) != 1 || m.Timeline[0].Sent != 500 || m.Driver.CPUs <= 0 || !(m.Driver.MaxRSSMB.OrNaN() > 0) {
		t.Errorf("timeline %+v, driver %+v", m.Timeline, m.Driver)
	}
	if got := tg.open.Load(); got > 16 {
		t.Errorf("%d connections were open", got)
	}
	eventually(t, "the close of the connections", func() bool { return tg.open.Load() == 0 })
}

func TestAsFastAsItGoes(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	job := jobFor(tg, 0, 300*time.Millisecond)
	m := mustDrive(t, job)
	if m.Sent < 100 || m.Succeeded != m.Sent || m.Unsent != 0 || m.MaxInFlight > 16 {
		t.Errorf("%d sent, %d succeeded, %d unsent, %d in flight", m.Sent, m.Succeeded, m.Unsent, m.MaxInFlight)
	}
}

// Both variants of an experiment get the same requests, whatever their rate.
func TestTwoRunsSendTheSame(t *testing.T) {
	paths := func(rateRPS float64) map[string]bool {
		seen := make(chan string, 1000)
		tg := startTarget(t, func(c net.Conn, request []byte) bool {
			seen <- string(request[:strings.Index(string(request), " HTTP")])
			return reply(okResponse)(c, request)
		})
		job := jobFor(tg, rateRPS, time.Duration(200/rateRPS*float64(time.Second)))
		job.Mix[0].Path = "/{user}/{seq}"
		job.Keys = testJob().Keys
		mustDrive(t, job)
		close(seen)
		set := map[string]bool{}
		for path := range seen {
			set[path] = true
		}
		return set
	}
	slow, fast := paths(1000), paths(4000)
	if len(slow) != 200 || len(fast) != 200 {
		t.Fatalf("%d and %d requests, want 200", len(slow), len(fast))
	}
	for path := range slow {
		if !fast[path] {
			t.Errorf("only one run sent %s", path)
		}
	}
}

func TestInterruptStopsAtOnce(t *testing.T) {
	tg := startTarget(t, func(net.Conn, []byte) bool { return true }) // never answers
	job := jobFor(tg, 200, time.Hour)
	job.Timeout = maxTimeout
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		eventually(t, "the load", func() bool { return tg.requests.Load() >= 10 })
	}()
	m, err := Drive(ctx, job)
	if err != nil || !m.Interrupted {
		t.Fatalf("interrupted %v, error %v", m.Interrupted, err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if m.Errors[classInterrupted] == 0 || m.Errors[classInterrupted] != m.Sent || m.DurationS > 60 || m.Planned < 10 {
		t.Errorf("%d planned, %d sent, errors %v in %v s", m.Planned, m.Sent, m.Errors, m.DurationS)
	}
}

func TestAnEndedContextSendsNothing(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, err := Drive(ctx, jobFor(tg, 1000, time.Second))
	if err != nil || !m.Interrupted || m.Sent != 0 {
		t.Errorf("interrupted %v, %d sent, error %v", m.Interrupted, m.Sent, err)
	}
}

func TestUnknownHostIsSaidBeforeTheLoad(t *testing.T) {
	job := testJob()
	job.BaseURL = "http://no-such-host.invalid:80"
	if _, err := Drive(t.Context(), job); err == nil || !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("error %v", err)
	}
}

// Durations come from the monotonic clock alone: the wall clock may jump. The
// epochs are the only readings that hold a wall time, and nothing subtracts
// but from them.
func TestNoDurationComesFromTheWallClock(t *testing.T) {
	if !strings.Contains(time.Now().String(), "m=") {
		t.Error("time.Now has no monotonic reading")
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	epochs := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if assign, ok := n.(*ast.AssignStmt); ok && len(assign.Lhs) == 1 && isCall(assign.Rhs[0], "time", "Now") {
				if name, ok := assign.Lhs[0].(*ast.Ident); ok && name.Name == "epoch" {
					epochs++
					return false
				}
			}
			if isCall(n, "time", "Now") {
				t.Errorf("%s reads time.Now other than for an epoch", entry.Name())
			}
			for _, method := range []string{"Unix", "UnixNano", "UnixMilli", "UTC", "Local"} {
				if isCall(n, "", method) {
					t.Errorf("%s calls %s, which knows the wall clock only", entry.Name(), method)
				}
			}
			return true
		})
	}
	if epochs == 0 {
		t.Error("no epoch found: this test looks for the wrong name")
	}
}

// isCall says whether n calls pkg.name, or any method of that name for pkg "".
func isCall(n ast.Node, pkg, name string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return pkg == "" || ok && x.Name == pkg
}

// A longer run allocates no more than a short one, but for the timeline.
func TestMemoryIsFlat(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	allocations := func(duration time.Duration) (count uint64, requests int64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := mustDrive(t, jobFor(tg, 5000, duration))
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs, m.Sent
	}
	allocations(100 * time.Millisecond) // what is made once
	short, few := allocations(200 * time.Millisecond)
	long, many := allocations(1200 * time.Millisecond)
	if perRequest := (float64(long) - float64(short)) / float64(many-few); perRequest > 0.05 {
		t.Errorf("a request costs %.2f allocations", perRequest)
	}
}
