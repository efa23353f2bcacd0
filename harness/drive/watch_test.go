// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// register is a small shop of versioned users: GET shows one, PUT makes its
// next version, POST creates an order. Its bugs can be switched on.
type register struct {
	mu       sync.Mutex
	versions map[string]int64
	shown    map[string]int64 // what reads show, where it lags
	orders   int64
	sessions map[string]int64 // requests of each
	noHeader int64

	lags    bool  // a read shows the version before
	twice   bool  // every tenth order gets the id of the one before
	limit   int64 // requests of a session at all, 0: without
	cached  bool  // reads say that a cache answered, and are not limited
	unnamed bool  // answers hold neither version nor id
}

func newRegister() *register {
	return &register{versions: map[string]int64{}, shown: map[string]int64{}, sessions: map[string]int64{}}
}

func (r *register) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	session := q.Header.Get("X-Session")
	if session == "" {
		r.noHeader++
	}
	if r.cached && q.Method == http.MethodGet {
		w.Header().Set("X-Cache", "HIT from edge")
	} else if r.sessions[session]++; r.limit > 0 && r.sessions[session] > r.limit {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	switch {
	case r.unnamed:
		_, _ = fmt.Fprint(w, "{}")
	case q.Method == http.MethodPut:
		r.versions[q.URL.Path]++
		_, _ = fmt.Fprintf(w, `{"id":1,"version":%d}`, r.versions[q.URL.Path])
	case q.Method == http.MethodPost:
		r.orders++
		id := r.orders
		if r.twice && id%10 == 0 {
			id--
		}
		_, _ = fmt.Fprintf(w, `{"id":%d,"version":1,"user":%s}`, id<<22, session)
	default:
		version := r.versions[q.URL.Path]
		if r.lags {
			version--
		}
		_, _ = fmt.Fprintf(w, `{"id":1,"version":%d,"author":{"version":999}}`, max(version, 0))
	}
}

// oracleJob asks a register all that a driver can find out by itself.
func oracleJob(url string) Job {
	return Job{
		BaseURL: url, Arrivals: "poisson", RateRPS: 1000, Duration: time.Second, Warmup: 100 * time.Millisecond, Seed: 3,
		Keys: map[string]scenarios.Keys{"user": {Distribution: "uniform", Count: 20}},
		Mix: []scenarios.Endpoint{
			{Name: "read", Method: "GET", Path: "/u/{user}", Weight: 0.6, Session: "{user}", Object: "user {user}"},
			{Name: "write", Method: "PUT", Path: "/u/{user}", Weight: 0.2, Session: "{user}", Object: "user {user}"},
			{Name: "order", Method: "POST", Path: "/o", Weight: 0.2, Session: "{user}", Creates: "orders"},
		},
		Oracles: scenarios.Oracles(), RateLimit: RateLimit{Limit: 30, Window: time.Minute},
		Timeout: 10 * time.Second, Connections: 16, MaxInFlight: 1000,
	}
}

// findings drives a job and returns what the oracles found, by name.
func findings(t *testing.T, job Job) (map[scenarios.OracleName]record.Oracle, record.Measurement) {
	t.Helper()
	m := mustDrive(t, job)
	found := map[scenarios.OracleName]record.Oracle{}
	order := ""
	for _, o := range m.Oracles {
		found[o.Name] = o
		order += string(o.Name) + " "
	}
	if want := "stale read_your_writes monotonic_reads duplicate_ids over_limit "; order != want {
		t.Errorf("findings %q, want %q", order, want)
	}
	return found, m
}

// Both engines tell the oracles the same.
func eachEngine(t *testing.T, test func(t *testing.T, start func(http.Handler) Job)) {
	t.Run("loop", func(t *testing.T) {
		test(t, func(h http.Handler) Job {
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			return oracleJob(server.URL)
		})
	})
	t.Run("pool", func(t *testing.T) {
		test(t, func(h http.Handler) Job {
			server := httptest.NewTLSServer(h)
			t.Cleanup(server.Close)
			job := oracleJob(server.URL)
			job.TLS.SkipVerify = true
			return job
		})
	})
}

func TestOraclesAreSilentAboutACorrectSystem(t *testing.T) {
	eachEngine(t, func(t *testing.T, start func(http.Handler) Job) {
		r := newRegister()
		r.limit = 30
		found, m := findings(t, start(r))
		for name, o := range found {
			if o.Violations != 0 || o.Checked == 0 || o.Unknown != "" {
				t.Errorf("%s: %+v", name, o)
			}
		}
		if r.noHeader > 0 {
			t.Errorf("%d requests came without their session", r.noHeader)
		}
		if limited := m.Status["429"]; limited == 0 || m.Status["200"]+limited != m.Sent {
			t.Errorf("status %v of %d sent", m.Status, m.Sent)
		}
		for _, order := range m.Created["orders"] {
			if order.ID&(1<<22-1) != 0 || order.Session < 1 || order.Session > 20 {
				t.Fatalf("an order %+v was created", order)
			}
		}
		if n := int64(len(m.Created["orders"])); n == 0 || n > m.Endpoints[2].Succeeded {
			t.Errorf("%d orders in the sample of %d", n, m.Endpoints[2].Succeeded)
		}
	})
}

func TestOraclesCatchABrokenSystem(t *testing.T) {
	eachEngine(t, func(t *testing.T, start func(http.Handler) Job) {
		r := newRegister()
		r.lags, r.twice = true, true
		found, _ := findings(t, start(r))
		for _, name := range []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites, scenarios.OracleDuplicateIDs, scenarios.OracleOverLimit} {
			if o := found[name]; o.Violations == 0 || o.Example == "" || o.Unknown != "" {
				t.Errorf("%s: %+v", name, o)
			}
		}
		// It always lags by one: no read shows less than the one before.
		if o := found[scenarios.OracleMonotonic]; o.Violations != 0 || o.Checked == 0 {
			t.Errorf("%+v", o)
		}
		if example := found[scenarios.OracleStale].Example; !strings.Contains(example, "a read of user ") {
			t.Errorf("example %q", example)
		}
	})
}

// The limiter never sees what a cache before it answers.
func TestCachedAnswersAreNoAdmissions(t *testing.T) {
	eachEngine(t, func(t *testing.T, start func(http.Handler) Job) {
		r := newRegister()
		r.limit, r.cached = 10, true
		job := start(r)
		job.RateLimit.Limit, job.RateLimit.BehindCache = 10, true
		found, m := findings(t, job)
		if o := found[scenarios.OracleOverLimit]; o.Violations != 0 || o.Checked == 0 || o.Checked > 20*r.limit {
			t.Errorf("%+v", o)
		}
		if m.Endpoints[0].Succeeded <= 20*r.limit {
			t.Errorf("only %d reads: the limit was not reached", m.Endpoints[0].Succeeded)
		}
	})
}

func TestAnswersWithoutNumbersAreUnknown(t *testing.T) {
	eachEngine(t, func(t *testing.T, start func(http.Handler) Job) {
		r := newRegister()
		r.unnamed = true
		found, m := findings(t, start(r))
		for _, name := range []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleDuplicateIDs} {
			if o := found[name]; o.Checked != 0 || !strings.Contains(o.Unknown, "not measured") || !strings.Contains(o.Unknown, "answers showed no") {
				t.Errorf("%+v", o)
			}
		}
		if len(m.Created) != 0 {
			t.Errorf("created %v", m.Created)
		}
	})
}

// A job without oracles pays nothing: neither findings nor allocations.
func TestWithoutOraclesNothingIsWatched(t *testing.T) {
	job := oracleJob("http://127.0.0.1:1").withDefaults()
	job.Oracles = nil
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(&job, requests)
	if w != nil || w.wantsHeaders() {
		t.Fatal("a watcher without oracles")
	}
	var x exchange
	k := uint64(0)
	if allocs := testing.AllocsPerRun(1000, func() { k++; w.begin(&x, requests.Pick(k)) }); allocs != 0 || x.active {
		t.Errorf("%v allocations for a request, watched %v", allocs, x.active)
	}
}

// With oracles, a request for a known object allocates nothing either.
func TestWatchingAllocatesNothing(t *testing.T) {
	job := oracleJob("http://127.0.0.1:1").withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(&job, requests)
	var x exchange
	body := []byte(`{"id":5,"version":7}`)
	k := uint64(0)
	step := func() {
		k = (k + 1) % 5000
		r := requests.Pick(k)
		if _, creates := r.Creates(); creates {
			return // an id is new each time
		}
		w.begin(&x, r)
		x.body(body)
		w.end(&x, r, time.Duration(k), time.Duration(k+1), 200, "", true)
	}
	for range 5000 {
		step()
	}
	if allocs := testing.AllocsPerRun(5000, step); allocs != 0 {
		t.Errorf("%v allocations for a request", allocs)
	}
}

func TestEntriesAreSentTo(t *testing.T) {
	var targets []*target
	entries := map[string]string{}
	for i := range 3 {
		tg := startTarget(t, reply(okResponse))
		targets = append(targets, tg)
		entries["place-"+strconv.Itoa(i)] = tg.url
	}
	job := jobFor(targets[0], 900, time.Second)
	job.Entries, job.Connections = entries, 8
	job.Mix = nil
	for i := range 3 {
		job.Mix = append(job.Mix, scenarios.Endpoint{
			Name: strconv.Itoa(i), Method: "GET", Path: "/{seq}", Weight: []float64{0.5, 0.3, 0.2}[i], From: "place-" + strconv.Itoa(i),
		})
	}
	m := mustDrive(t, job)
	for i, tg := range targets {
		if got := tg.requests.Load(); got != m.Endpoints[i].Sent || got == 0 || m.Endpoints[i].Failed > 0 {
			t.Errorf("entry %d saw %d requests of %+v", i, got, m.Endpoints[i])
		}
		if open := tg.open.Load(); open > 3 {
			t.Errorf("entry %d had %d connections of 8 for three", i, open)
		}
	}
}

// One entry that never answers holds its own connections, and nobody else's.
func TestADeadEntryHoldsNobodyUp(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	good := startTarget(t, reply(okResponse))
	job := jobFor(good, 400, time.Second)
	job.Entries, job.Connections, job.Timeout = map[string]string{"dead": server.URL}, 4, 200*time.Millisecond
	job.Mix = append(job.Mix, scenarios.Endpoint{Name: "dead", Method: "GET", Path: "/", Weight: 0.5, From: "dead"})
	job.Mix[0].Weight = 0.5
	m := mustDrive(t, job)
	if e := m.Endpoints[0]; e.Succeeded != e.Sent || e.Sent == 0 {
		t.Errorf("%d of %d to the good entry succeeded", e.Succeeded, e.Sent)
	}
	if e := m.Endpoints[1]; e.Succeeded > 0 || m.Errors[classTimeout] != e.Sent || m.Unsent == 0 {
		t.Errorf("dead entry %+v, errors %v, unsent %d", e, m.Errors, m.Unsent)
	}
	if want := m.Planned - m.Endpoints[1].Sent - m.Unsent; m.Endpoints[0].Sent != want {
		t.Errorf("%d sent to the good entry of %d", m.Endpoints[0].Sent, want)
	}
}

// As fast as it goes, entries included.
func TestClosedLoopOverEntries(t *testing.T) {
	one, other := startTarget(t, reply(okResponse)), startTarget(t, reply(okResponse))
	job := jobFor(one, 0, 200*time.Millisecond)
	job.Entries = map[string]string{"other": other.url}
	job.Mix[0].Weight = 0.5
	job.Mix = append(job.Mix, scenarios.Endpoint{Name: "other", Method: "GET", Path: "/", Weight: 0.5, From: "other"})
	m := mustDrive(t, job)
	if m.Endpoints[0].Succeeded == 0 || m.Endpoints[1].Succeeded == 0 || m.Failed > 0 || m.Unsent > 0 {
		t.Errorf("%+v, %d failed, %d unsent", m.Endpoints, m.Failed, m.Unsent)
	}
}
