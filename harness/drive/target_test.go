// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// target is a system under test of our own. It is plain TCP, so that a test decides every
// byte. It is cheap, so that it takes little of the cores on which the driver is measured.
type target struct {
	url      string
	requests atomic.Int64
	open     atomic.Int64 // connections
	late     *lateness    // of its answers, where it times them
}

// lateness adds up by how much a target's answers were too late: that is not
// the driver's doing.
type lateness struct{ waits, nanos atomic.Int64 }

func (l *lateness) note(by time.Duration) {
	l.waits.Add(1)
	l.nanos.Add(int64(by))
}

func (l *lateness) mean() time.Duration {
	return time.Duration(l.nanos.Load() / max(l.waits.Load(), 1))
}

// answer writes the response to request, which is all up to the empty line. It
// reports whether the connection is to be kept.
type answer func(c net.Conn, request []byte) (keep bool)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// reply answers every request with the same text.
func reply(text string) answer {
	response := []byte(text)
	return func(c net.Conn, _ []byte) bool {
		_, err := c.Write(response)
		return err == nil
	}
}

// startTarget listens on a port of its own until the test ends.
func startTarget(t testing.TB, respond answer) *target {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tg := &target{url: "http://" + listener.Addr().String()}
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { tg.serve(c, respond) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return tg
}

func (tg *target) serve(c net.Conn, respond answer) {
	tg.open.Add(1)
	defer tg.open.Add(-1)
	defer func() { _ = c.Close() }()
	buffer, used := make([]byte, 4096), 0
	for {
		n, err := c.Read(buffer[used:])
		if err != nil {
			return
		}
		used += n
		end := bytes.Index(buffer[:used], []byte("\r\n\r\n"))
		if end < 0 {
			continue
		}
		tg.requests.Add(1)
		if !respond(c, buffer[:end+2]) {
			return
		}
		used = 0 // the tests' request bodies are part of the same read
	}
}

// jobFor is a job of one GET on the target, to be changed by the test.
func jobFor(tg *target, rateRPS float64, duration time.Duration) Job {
	return Job{
		BaseURL: tg.url, Arrivals: "constant", RateRPS: rateRPS, Duration: duration, Seed: 1,
		Mix:     []scenarios.Endpoint{{Name: "GET /", Method: "GET", Path: "/{seq}", Weight: 1}},
		Timeout: 30 * time.Second, Connections: 16, MaxInFlight: 1000,
	}
}

// mustDrive runs the job and checks that the measurement adds up.
func mustDrive(t testing.TB, job Job) record.Measurement {
	t.Helper()
	m, err := Drive(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Errorf("the measurement contradicts itself: %v", err)
	}
	if m.ResponseSuccess.Count() != m.Succeeded {
		t.Errorf("%d successes, %d of them in the histogram", m.Succeeded, m.ResponseSuccess.Count())
	}
	return m
}

// driveQuietly runs a job whose latencies are to be held against theory, against a target
// made by start. A busy machine proves nothing: the driver calls the slice invalid, or the
// target's mean lateness exceeds maxLate. Then driveQuietly tries again and at last skips,
// in CI too: no data, no verdict. In any case a driver that lagged must say so.
func driveQuietly(t *testing.T, maxLate time.Duration, start func() (*target, Job)) record.Measurement {
	t.Helper()
	var why string
	for range 2 {
		tg, job := start()
		m := mustDrive(t, job)
		lagged := m.DriverLag.Quantile(0.99) > job.lagLimit()
		switch {
		case lagged && !says(m.InvalidReasons, "sent late"):
			t.Fatalf("the driver lagged by %v and did not say so: %q", m.DriverLag.Quantile(0.99), m.InvalidReasons)
		case len(disturbances(&m)) > 0:
			why = strings.Join(m.InvalidReasons, "; ")
		case tg.late.mean() > maxLate:
			why = fmt.Sprintf("the target itself was late by %v in the mean, beyond %v", tg.late.mean(), maxLate)
		default:
			return m
		}
		t.Logf("again, this machine is busy: %s", why)
	}
	t.Skipf("this machine is too busy to measure on: %s", why)
	return record.Measurement{}
}

// disturbances are why the slice is invalid, but for a cap of connections that
// the test has set itself.
func disturbances(m *record.Measurement) []string {
	return slices.DeleteFunc(slices.Clone(m.InvalidReasons), func(reason string) bool {
		return strings.Contains(reason, "waited for one of the driver's")
	})
}

// eventually polls until ok, for at most five seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-ticker.C {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come about within 5 s", what)
}
