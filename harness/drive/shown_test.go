// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// inHeaders is a register whose answers show versions and ids in their headers
// alone.
func inHeaders(r *register) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch q.Method {
		case http.MethodPost:
			r.orders++
			w.Header().Set("Location", fmt.Sprintf("/orders/%d?new", r.orders<<22))
			w.WriteHeader(http.StatusCreated)
		case http.MethodPut:
			r.versions[q.URL.Path]++
			w.Header().Set("X-Revision", strconv.FormatInt(r.versions[q.URL.Path], 10))
			w.Header().Set("ETag", `"other"`)
		default:
			version := r.versions[q.URL.Path]
			if r.lags {
				version--
			}
			w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, max(version, 0)))
		}
		_, _ = fmt.Fprint(w, `{"id":1,"version":1}`) // which must not be read
	})
}

// headerJob reads each number where inHeaders shows it.
func headerJob(url string) Job {
	job := oracleJob(url)
	job.Mix[0].Version = scenarios.Extractor{From: scenarios.FromETag}
	job.Mix[1].Version = scenarios.Extractor{From: scenarios.FromHeader, Name: "x-revision"}
	job.Mix[2].ID = scenarios.Extractor{From: scenarios.FromLocation}
	job.Oracles = []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites, scenarios.OracleDuplicateIDs}
	job.RateLimit = RateLimit{}
	return job
}

// checkHeaders drives the job against a register that is right and one that lags.
func checkHeaders(t *testing.T, start func(http.Handler) Job) {
	t.Helper()
	for _, lags := range []bool{false, true} {
		r := newRegister()
		r.lags = lags
		m := mustDrive(t, start(inHeaders(r)))
		if len(m.Oracles) != 3 {
			t.Fatalf("findings %+v", m.Oracles)
		}
		for _, o := range m.Oracles {
			wrong := lags && o.Name != scenarios.OracleDuplicateIDs
			if o.Checked == 0 || o.Unknown != "" || (o.Violations > 0) != wrong {
				t.Errorf("lags %v: %+v", lags, o)
			}
		}
		checkSample(t, m)
	}
}

func checkSample(t *testing.T, m record.Measurement) {
	t.Helper()
	if len(m.Created["orders"]) == 0 {
		t.Error("no order is in the sample")
	}
	for _, order := range m.Created["orders"] {
		if order.ID == 0 || order.ID&(1<<22-1) != 0 {
			t.Fatalf("an order %+v was created", order)
		}
	}
}

// Versions and ids are read from headers by HTTP/1.1, by HTTP/2 and by vegeta's
// engine alike.
func TestNumbersInHeaders(t *testing.T) {
	secure := func(http2 bool) func(http.Handler) Job {
		return func(h http.Handler) Job {
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			job := headerJob(server.URL)
			job.TLS.SkipVerify = true
			return job
		}
	}
	plain := func(h http.Handler) Job {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return headerJob(server.URL)
	}
	t.Run("http1", func(t *testing.T) { checkHeaders(t, plain) })
	t.Run("http1 by TLS", func(t *testing.T) { checkHeaders(t, secure(false)) })
	t.Run("http2", func(t *testing.T) { checkHeaders(t, secure(true)) })
	t.Run("vegeta", func(t *testing.T) {
		checkHeaders(t, func(h http.Handler) Job {
			job := plain(h)
			job.Engine = EngineVegeta
			return job
		})
	})
}

// The first header with a number counts, as the first field does, and a second send
// forgets the first answer.
func TestShowing(t *testing.T) {
	job := headerJob("http://127.0.0.1:1").withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	k := uint64(0)
	for requests.Pick(k).Name() != 0 {
		k++
	}
	w := newWatcher(&job, requests)
	if !w.wantsHeaders() {
		t.Fatal("nobody asks for the headers")
	}
	var x exchange
	w.begin(&x, requests.Pick(k))
	for _, line := range [][2]string{{"Date", "5"}, {"etag", `"abc"`}, {"ETAG", `"7"`}, {"ETag", `"8"`}} {
		x.header([]byte(line[0]), []byte(line[1]))
	}
	x.body([]byte(`{"version":9}`))
	if n, ok := x.version.found(); n != 7 || !ok {
		t.Errorf("found %d, %v; want 7", n, ok)
	}
	x.restart()
	if n, ok := x.version.found(); ok {
		t.Errorf("found %d of the answer before", n)
	}
}

// A number in a header costs no allocation, even where no answer holds a number.
func TestReadingHeadersAllocatesNothing(t *testing.T) {
	job := headerJob("http://127.0.0.1:1").withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(&job, requests)
	var x exchange
	name, revision, bad, tag := []byte("ETag"), []byte("X-Revision"), []byte(`W/"none"`), []byte(`W/"7"`)
	k := uint64(0)
	step := func() {
		k = (k + 1) % 5000
		r := requests.Pick(k)
		if _, creates := r.Creates(); creates {
			return // an id is new each time
		}
		w.begin(&x, r)
		x.header(name, bad)
		x.header(name, tag)
		x.header(revision, tag[3:4])
		w.end(&x, r, time.Duration(k), time.Duration(k+1), 200, "", true)
	}
	for range 5000 {
		step()
	}
	if allocs := testing.AllocsPerRun(5000, step); allocs != 0 {
		t.Errorf("%v allocations for a request", allocs)
	}
}
