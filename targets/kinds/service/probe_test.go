// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// serverOf answers by a handler; the process is the service's.
func serverOf(t *testing.T, s scenarios.Service, answers http.HandlerFunc) spec.Process {
	t.Helper()
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	return processAt(t, server.Listener.Addr().String(), s)
}

func processAt(t *testing.T, address string, s scenarios.Service) spec.Process {
	t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return spec.Process{Name: "web", Kind: "service", Address: host, Port: port, Service: &s}
}

// A service is ready by HTTP with an answer of 2xx from itself.
func TestReadyByHTTP(t *testing.T) {
	for status, ready := range map[int]bool{200: true, 204: true, 302: false, 404: false, 503: false} {
		p := serverOf(t, scenarios.Service{Ready: scenarios.Ready{HTTP: "/health?deep=1"}}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.String() != "/health?deep=1" {
				http.Error(w, r.URL.String(), http.StatusTeapot)
				return
			}
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				fmt.Fprint(w, "still loading")
			}
		})
		made, err := Kind().Attach(p)
		if err != nil {
			t.Fatal(err)
		}
		err = made.Ready(t.Context())
		if (err == nil) != ready {
			t.Errorf("status %d: %v", status, err)
		}
		if err != nil && (!strings.Contains(err.Error(), strconv.Itoa(status)) || !strings.Contains(err.Error(), "still loading")) {
			t.Errorf("status %d: %v does not say why", status, err)
		}
	}
}

// A service is ready by its port when that takes connections.
func TestReadyByItsPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	made, err := Kind().Attach(processAt(t, listener.Addr().String(), scenarios.Service{Ready: scenarios.Ready{TCP: true, Within: 2 * time.Minute}}))
	if err != nil {
		t.Fatal(err)
	}
	if slow, says := made.(machine.SlowStarter); !says || slow.ReadyTimeout() != 2*time.Minute {
		t.Errorf("what runs elsewhere does not say how long it may take: %v", says)
	}
	if err := made.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	listener.Close()
	if err := made.Ready(t.Context()); err == nil {
		t.Error("a closed port is ready")
	}
	if _, err := made.Command(t.Context()); !errors.Is(err, machine.ErrOnlyAsked) {
		t.Errorf("what runs elsewhere is started: %v", err)
	}
}

const page = `# HELP app_statements_total Statements.
# TYPE app_statements_total counter
app_statements_total{table="items"} 40
app_statements_total{table="tags"} 2
# TYPE app_hits_total counter
app_hits_total 0
# TYPE app_queue gauge
app_queue 3
app_plain_total 1.5
# TYPE app_latency histogram
app_latency_bucket{le="+Inf"} 2
app_latency_sum 0.3
app_latency_count 2
# TYPE app_broken gauge
app_broken NaN
`

// Counters are read by the names that the facts of the service give them, and summed
// over labels; 0 is a figure.
func TestCount(t *testing.T) {
	e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{
		scenarios.MeaningStatements: "app_statements_total", scenarios.MeaningCacheHits: "app_hits_total",
		scenarios.MeaningQueued: "app_queue", scenarios.MeaningRowsRead: "app_plain_total",
	}}
	p := serverOf(t, scenarios.Service{Counters: &e}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
			fmt.Fprint(w, page)
		}
	})
	want := map[string]float64{"statements_total": 42, "cache_hits_total": 0, "queued": 3, "rows_read_total": 1.5}
	got, err := newProber(p).Count(t.Context())
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, c := range e.Counters() {
		if _, told := got[c.SourceKey()]; !told {
			t.Errorf("the facts name %s, which is not among %v", c.SourceKey(), got)
		}
	}
	p.Service = &scenarios.Service{}
	if got, err := newProber(p).Count(t.Context()); got != nil || err != nil {
		t.Errorf("without a page: %v, %v", got, err)
	}
}

// What the page does not tell is not known, with the reason, and is no fault; the rest
// stands.
func TestCountInPart(t *testing.T) {
	for name, want := range map[string]string{
		"app_gone_total": "/metrics: app_gone_total is not on the page",
		"app_latency":    "/metrics: app_latency is a histogram: name a counter or a gauge",
		"app_broken":     "/metrics: app_broken is NaN",
	} {
		e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{
			scenarios.MeaningQueued: "app_queue", scenarios.MeaningLockWaiters: name,
		}}
		counts, err := readPage([]byte(page), e)
		var unknown *machine.UnknownCountersError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", name, err, want)
		}
		if len(counts) != 1 || counts["queued"] != 3 {
			t.Errorf("%s: %v", name, counts)
		}
	}
}

// An error names no query, which may hold a token.
func TestErrorsNameNoQuery(t *testing.T) {
	const path = "/metrics?token=s3cret"
	e := scenarios.Exposition{Path: path, Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "app_gone"}}
	for name, answers := range map[string]http.HandlerFunc{
		"404 Not Found":                      http.NotFound,
		"is not on the page":                 func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) },
		"no page in Prometheus' text format": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\n") },
		"EOF":                                func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		_, err := newProber(serverOf(t, scenarios.Service{Counters: &e}, answers)).Count(t.Context())
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "/metrics") || strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := spec.Process{Address: "127.0.0.1", Port: 80, Service: &scenarios.Service{Ready: scenarios.Ready{HTTP: "/%zz?token=s3cret"}}}
	if err := newProber(p).probe(t.Context()); err == nil || strings.Contains(err.Error(), "token") {
		t.Errorf("what is no URL: %v", err)
	}
}

// A page that could be read before and can't be read under load is not known, and no
// fault.
func TestCountUnderLoad(t *testing.T) {
	e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "app_queue"}}
	var busy atomic.Bool
	asks := newProber(serverOf(t, scenarios.Service{Counters: &e}, func(w http.ResponseWriter, _ *http.Request) {
		if busy.Load() {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, page)
	}))
	if counts, err := asks.Count(t.Context()); err != nil || counts["queued"] != 3 {
		t.Fatalf("%v, %v", counts, err)
	}
	busy.Store(true)
	counts, err := asks.Count(t.Context())
	var unknown *machine.UnknownCountersError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "/metrics: 503") || counts != nil {
		t.Errorf("a busy service: %v, %v", counts, err)
	}
	busy.Store(false)
	if counts, err := asks.Count(t.Context()); err != nil || counts["queued"] != 3 {
		t.Errorf("afterwards: %v, %v", counts, err)
	}
}

// A page is read as a whole, or not at all.
func TestCountOfALongPage(t *testing.T) {
	e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "app_queue"}}
	const line = "# a comment\n"
	head := strings.Repeat(line, (maxPage-len(page))/len(line))
	for more, want := range map[string]string{"": "", strings.Repeat(line, 2): "longer than 16 MiB"} {
		p := serverOf(t, scenarios.Service{Counters: &e}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, head+more+page) })
		counts, err := newProber(p).Count(t.Context())
		if want == "" && (err != nil || counts["queued"] != 3) {
			t.Errorf("a page of 16 MiB: %v, %v", counts, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || counts != nil) {
			t.Errorf("a longer page: %v, %v, want %q", counts, err, want)
		}
	}
}

// A page that can't be read is a fault.
func TestCountOfNoPage(t *testing.T) {
	e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "app_queue"}}
	for name, answers := range map[string]http.HandlerFunc{
		"500":                                func(w http.ResponseWriter, _ *http.Request) { http.Error(w, page, http.StatusInternalServerError) },
		"no page in Prometheus' text format": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>\n") },
	} {
		p := serverOf(t, scenarios.Service{Counters: &e}, answers)
		counts, err := newProber(p).Count(t.Context())
		var unknown *machine.UnknownCountersError
		if err == nil || errors.As(err, &unknown) || !strings.Contains(err.Error(), name) || counts != nil {
			t.Errorf("%s: %v, %v", name, counts, err)
		}
	}
}
