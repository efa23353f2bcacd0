// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

func driveVegeta(ctx context.Context, job Job) (record.Measurement, error) {
	job.Engine = EngineVegeta
	return Drive(ctx, job)
}

// mustVegeta runs the job on vegeta's library and checks that the measurement
// adds up.
func mustVegeta(t *testing.T, job Job) record.Measurement {
	t.Helper()
	job.Engine = EngineVegeta
	return mustDrive(t, job)
}

// askedFor counts what a server was asked for.
type askedFor struct {
	mu    sync.Mutex
	lines map[string]int64 // by method and path
	marks int64            // requests with a header of vegeta's
}

func (a *askedFor) note(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lines == nil {
		a.lines = map[string]int64{}
	}
	a.lines[r.Method+" "+r.URL.Path]++
	if r.Header.Get(vegetaSeqHeader) != "" {
		a.marks++
	}
}

func (a *askedFor) count(prefix string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var n int64
	for line, times := range a.lines {
		if strings.HasPrefix(line, prefix) {
			n += times
		}
	}
	return n
}

// Every request of the schedule goes out once, as the mix says, and is
// measured under its own endpoint.
func TestVegetaSendsWhatTheMixSays(t *testing.T) {
	var asked askedFor
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.note(r)
		w.Header().Set("X-Cache", "HIT")
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	}))
	defer server.Close()
	job := jobFor(&target{url: server.URL}, 1000, 500*time.Millisecond)
	job.Warmup, job.CountHeaders, job.Keys = 100*time.Millisecond, []string{"x-cache"}, testJob().Keys
	job.Mix = []scenarios.Endpoint{
		{Name: "show", Method: "GET", Path: "/{user}/{seq}", Expect: "for /{user}/{seq}", Weight: 0.7},
		{Name: "change", Method: "PUT", Path: "/{user}/{seq}", Body: "0123456789", Weight: 0.3},
	}
	m := mustVegeta(t, job)
	show, change := m.Endpoints[0], m.Endpoints[1]
	if m.Planned != 500 || m.Sent != 500 || show.Succeeded != show.Sent || change.Succeeded != 0 || m.Errors[classStatus5xx] != change.Sent {
		t.Errorf("planned %d, sent %d, errors %v, show %+v, change %+v", m.Planned, m.Sent, m.Errors, show, change)
	}
	if m.BytesOut != 10*change.Sent || m.Counts["x-cache: HIT"] != 500 || m.Status["200"] != show.Sent || len(m.Timeline) != 1 || m.WarmupS != 0.1 {
		t.Errorf("%d bytes out, counts %v, status %v, %d in the timeline, %v s of warm-up", m.BytesOut, m.Counts, m.Status, len(m.Timeline), m.WarmupS)
	}
	job = job.withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	for k := range uint64(600) {
		want := requests.Target(k)
		if line := want.Method + " " + strings.TrimPrefix(want.URL, server.URL); asked.lines[line] != 1 {
			t.Errorf("request %d, %q, arrived %d times", k, line, asked.lines[line])
		}
	}
	if len(asked.lines) != 600 || asked.marks > 0 {
		t.Errorf("the server was asked for %d things, want 600; %d requests told vegeta's number", len(asked.lines), asked.marks)
	}
}

func TestVegetaOverTLSAndHTTP2(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			var wrong atomic.Int64
			tg := startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if r.ProtoAtLeast(2, 0) != http2 || err != nil || string(body) != "ping" || r.Header.Get("Accept-Encoding") != "" {
					wrong.Add(1)
				}
				_, _ = fmt.Fprintf(w, "you asked for %s", r.URL.Path)
			}, http2)
			job := jobFor(tg, 200, 500*time.Millisecond)
			job.TLS.SkipVerify = true
			job.Mix = []scenarios.Endpoint{{Name: "e", Method: "PUT", Path: "/{seq}", Body: "ping", Expect: "for /{seq}", Weight: 1}}
			if m := mustVegeta(t, job); m.Succeeded != 100 || m.BytesOut != 400 || wrong.Load() > 0 {
				t.Errorf("%d of 100 succeeded, errors %v, %d bytes out, %d requests were wrong", m.Succeeded, m.Errors, m.BytesOut, wrong.Load())
			}
		})
	}
}

func TestVegetaFailures(t *testing.T) {
	secure := startTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/big"):
			_, _ = w.Write(make([]byte, 1<<20))
		case strings.HasPrefix(r.URL.Path, "/slow"):
			<-r.Context().Done()
		case strings.HasPrefix(r.URL.Path, "/error"):
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasPrefix(r.URL.Path, "/missing"):
			w.WriteHeader(http.StatusNotFound)
		}
	}, false)
	hangsUp := startTarget(t, func(net.Conn, []byte) bool { return false })
	half := startTarget(t, reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhel"))
	halfEnds := startTarget(t, func(c net.Conn, request []byte) bool {
		_, _ = fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
		return false
	})
	mail := startTarget(t, reply("220 mail.example ESMTP ready\r\n"))
	for _, test := range []struct {
		path, class string
		change      func(*Job)
	}{
		{"/", classTLS, func(j *Job) { j.TLS.SkipVerify = false }},
		{"/error", classStatus5xx, func(*Job) {}},
		{"/missing", classStatus4xx, func(*Job) {}},
		{"/big", classBodyTooBig, func(j *Job) { j.MaxBody = 1000 }},
		{"/slow", classTimeout, func(j *Job) { j.Connections, j.Timeout = 32, time.Second }},
		{"/half", classTimeout, func(j *Job) { j.BaseURL, j.Connections, j.Timeout = half.url, 32, time.Second }},
		{"/", classWrongBody, func(j *Job) { j.Mix[0].Expect = "x" }},
		{"/", classRefused, func(j *Job) { j.BaseURL = "https://127.0.0.1:1" }},
		{"/plain", classRefused, func(j *Job) { j.BaseURL = "http://127.0.0.1:1" }},
		{"/hangs up", classReset, func(j *Job) { j.BaseURL = hangsUp.url }},
		{"/half, then ends", classReset, func(j *Job) { j.BaseURL = halfEnds.url }},
		{"/mail", classOther, func(j *Job) { j.BaseURL = mail.url }},
		{"/", classDNS, func(j *Job) { j.BaseURL = "https://no-such-host.invalid" }},
	} {
		job := jobFor(secure, 100, 200*time.Millisecond)
		job.TLS.SkipVerify, job.Mix[0].Path = true, strings.ReplaceAll(test.path, " ", "%20")
		test.change(&job)
		m := mustVegeta(t, job)
		if m.Sent != 20 || m.Errors[test.class] != 20 || m.ResponseSuccess.Count() != 0 {
			t.Errorf("%s %s: %d sent, errors %v, want 20 of them", test.path, test.class, m.Sent, m.Errors)
		}
		if test.class == classTimeout && (m.Response.Quantile(0) < 999*time.Millisecond || m.Service.Quantile(0) < 999*time.Millisecond) {
			t.Errorf("a timeout of 1 s counts as %v", m.Response.Quantile(0))
		}
	}
}

// A server that closes kept connections without having said so breaks requests
// that must not be sent twice, in whichever words net/http puts it.
func TestVegetaLosesKeptConnections(t *testing.T) {
	tg := startTarget(t, func(c net.Conn, request []byte) bool {
		reply(okResponse)(c, request)
		return false
	})
	job := jobFor(tg, 2000, 500*time.Millisecond)
	job.Mix[0].Method, job.Mix[0].Body = "POST", "x"
	if m := mustVegeta(t, job); m.Errors[classReset] != m.Failed || m.Sent != 1000 {
		t.Errorf("%d of %d failed: %v", m.Failed, m.Sent, m.Errors)
	}
}

// A redirect is an answer, wherever it points.
func TestVegetaFollowsNoRedirect(t *testing.T) {
	for _, location := range []string{"/elsewhere", "http://%zz/"} {
		tg := startTarget(t, reply("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "+location+"\r\n\r\n"))
		m := mustVegeta(t, jobFor(tg, 200, 100*time.Millisecond))
		if m.Succeeded != 20 || m.Status["302"] != 20 || tg.requests.Load() != 20 {
			t.Errorf("to %s: %d of 20 succeeded, status %v, errors %v, %d requests", location, m.Succeeded, m.Status, m.Errors, tg.requests.Load())
		}
	}
}

// A stalled server does not stop the schedule: response times count from the due time.
// Request 20 is held for 300 ms, and so are all later requests. Those due in the first
// half of the stall, 30 of the 100, wait for 150 ms at least.
func TestVegetaCountsFromTheIntendedSend(t *testing.T) {
	var arrived atomic.Int64
	var gate sync.RWMutex
	tg := startTarget(t, func(c net.Conn, request []byte) bool {
		if arrived.Add(1) == 20 {
			gate.Lock()
			thaw := time.NewTimer(300 * time.Millisecond)
			<-thaw.C
			gate.Unlock()
		}
		gate.RLock()
		defer gate.RUnlock()
		return reply(okResponse)(c, request)
	})
	job := jobFor(tg, 200, 500*time.Millisecond)
	job.Connections = 2
	m := mustVegeta(t, job)
	if m.Succeeded != 100 {
		t.Fatalf("%d of 100 succeeded: %v", m.Succeeded, m.Errors)
	}
	if p71 := m.Response.Quantile(0.71); p71 < 149*time.Millisecond {
		t.Errorf("the thirtieth slowest response took %v, want 150ms or more", p71)
	}
	if sum, response := m.Service.Mean()+m.SendLag.Mean(), m.Response.Mean(); response < sum-sum/100 || response > sum+sum/100 {
		t.Errorf("on average the service took %v, the wait %v, the response %v", m.Service.Mean(), m.SendLag.Mean(), response)
	}
	// Two connections: the other requests waited for one, and waiting is no service time.
	if p71 := m.Service.Quantile(0.71); p71 >= m.Response.Quantile(0.71) {
		t.Errorf("the wait for a connection counts as service: %v", p71)
	}
}

// At the cap the schedule goes on. Requests beyond the cap are unsent, and the server
// never sees them. Later requests keep their own numbers. Four connections carry 120 of
// the 300 requests at best, and 10 are in flight at the end.
func TestVegetaMeetsTheCap(t *testing.T) {
	var asked askedFor
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.note(r)
		pause := time.NewTimer(20 * time.Millisecond)
		defer pause.Stop()
		<-pause.C
	}))
	defer server.Close()
	job := jobFor(&target{url: server.URL}, 500, 600*time.Millisecond)
	job.Connections, job.MaxInFlight = 4, 10
	job.Mix[0].Weight = 0.5
	job.Mix = append(job.Mix, scenarios.Endpoint{Name: "delete", Method: "DELETE", Path: "/{seq}", Weight: 0.5})
	m := mustVegeta(t, job)
	if m.Planned != 300 || m.Unsent < 170 || m.MaxInFlight != 10 || m.Waited == 0 {
		t.Errorf("%d planned, %d unsent, %d in flight, %q", m.Planned, m.Unsent, m.MaxInFlight, m.InvalidReasons)
	}
	if m.Succeeded != m.Sent || m.Sent == 0 {
		t.Errorf("%d sent, errors %v", m.Sent, m.Errors)
	}
	for i, method := range []string{"GET", "DELETE"} {
		if got := asked.count(method); got != m.Endpoints[i].Sent {
			t.Errorf("%d %s arrived, %d were sent", got, method, m.Endpoints[i].Sent)
		}
	}
	beyond := int64(0)
	for line := range asked.lines {
		var k int64
		if _, err := fmt.Sscanf(line[strings.Index(line, "/"):], "/%d", &k); err != nil {
			t.Fatal(err)
		}
		beyond = max(beyond, k)
	}
	if beyond < m.Sent {
		t.Errorf("%d requests were sent, the last of them number %d: they were renumbered", m.Sent, beyond)
	}
}

// What waits for a connection until the schedule has been over for as long as
// a request may take is unsent.
func TestVegetaDropsWhatIsOverdue(t *testing.T) {
	tg := startTarget(t, func(net.Conn, []byte) bool { return true }) // never answers
	job := jobFor(tg, 500, 200*time.Millisecond)
	job.Connections, job.Timeout = 1, 300*time.Millisecond
	m := mustVegeta(t, job)
	if m.Planned != 100 || m.Sent < 1 || m.Sent > 3 || m.Errors[classTimeout] != m.Sent || m.Unsent != 100-m.Sent {
		t.Errorf("%d planned, %d sent, errors %v, %d unsent", m.Planned, m.Sent, m.Errors, m.Unsent)
	}
}

func TestVegetaClosedLoop(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	job := jobFor(tg, 0, 200*time.Millisecond)
	m := mustVegeta(t, job)
	if m.Sent == 0 || m.Succeeded != m.Sent || m.Unsent != 0 || m.MaxInFlight > 16 || tg.requests.Load() != m.Sent {
		t.Errorf("%d of %d succeeded, %d unsent, %d in flight, %d requests arrived", m.Succeeded, m.Sent, m.Unsent, m.MaxInFlight, tg.requests.Load())
	}
	if says(m.InvalidReasons, "late") {
		t.Errorf("there is no schedule to be late for: %q", m.InvalidReasons)
	}
}

func TestVegetaInterrupt(t *testing.T) {
	for _, rateRPS := range []float64{200, 0} {
		arrived := make(chan struct{}, 1000)
		tg := startTarget(t, func(net.Conn, []byte) bool { // never answers
			arrived <- struct{}{}
			return true
		})
		job := jobFor(tg, rateRPS, time.Hour)
		job.Timeout = maxTimeout
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			<-arrived
		}()
		m, err := driveVegeta(ctx, job)
		if err != nil || !m.Interrupted || m.Errors[classInterrupted] != m.Sent || m.Sent == 0 || m.DurationS > 60 {
			t.Errorf("interrupted %v, %d sent, errors %v in %v s, error %v", m.Interrupted, m.Sent, m.Errors, m.DurationS, err)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestVegetaWithAnEndedContextSendsNothing(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rateRPS := range []float64{1000, 0} {
		m, err := driveVegeta(ctx, jobFor(tg, rateRPS, time.Second))
		if err != nil || !m.Interrupted || m.Sent != 0 || tg.requests.Load() != 0 {
			t.Errorf("interrupted %v, %d sent, error %v", m.Interrupted, m.Sent, err)
		}
	}
}

// One entry that never answers holds its own connections, and nobody else's.
func TestVegetaKeepsEntriesApart(t *testing.T) {
	good, dead := startTarget(t, reply(okResponse)), startTarget(t, func(net.Conn, []byte) bool { return true })
	job := jobFor(good, 400, 500*time.Millisecond)
	job.Entries, job.Connections, job.Timeout = map[string]string{"dead": dead.url}, 4, 500*time.Millisecond
	job.Mix = append(job.Mix, scenarios.Endpoint{Name: "dead", Method: "GET", Path: "/", Weight: 0.5, From: "dead"})
	job.Mix[0].Weight = 0.5
	m := mustVegeta(t, job)
	if e := m.Endpoints[0]; e.Succeeded != e.Sent || e.Sent == 0 || good.requests.Load() != e.Sent {
		t.Errorf("%d of %d to the good entry succeeded, %d arrived", e.Succeeded, e.Sent, good.requests.Load())
	}
	if e := m.Endpoints[1]; e.Succeeded > 0 || m.Errors[classTimeout] != e.Sent || m.Unsent == 0 {
		t.Errorf("dead entry %+v, errors %v, unsent %d", e, m.Errors, m.Unsent)
	}
}

// vegeta's requests are watched like all others.
func TestVegetaFeedsTheOracles(t *testing.T) {
	for _, lags := range []bool{false, true} {
		shop := newRegister()
		shop.lags = lags
		server := httptest.NewServer(shop)
		defer server.Close()
		m := mustVegeta(t, oracleJob(server.URL))
		for _, o := range m.Oracles {
			if o.Name == scenarios.OracleStale && (o.Checked == 0 || (o.Violations > 0) != lags) {
				t.Errorf("with a lag %v: %+v", lags, o)
			}
		}
		if len(m.Oracles) != 5 {
			t.Errorf("findings %+v", m.Oracles)
		}
	}
}

// More than any driver can send: the slice is invalid, not the target slow.
func TestSaturatedVegetaIsInvalid(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	job := jobFor(tg, maxRate/10, 100*time.Millisecond)
	job.Timeout = time.Second
	m := mustVegeta(t, job)
	if m.Planned != maxRate/100 || !says(m.InvalidReasons, "the driver sent") {
		t.Errorf("%d requests were planned, want %d; the reasons are %q", m.Planned, maxRate/100, m.InvalidReasons)
	}
}
