// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
)

func TestRingIsFirstInFirstOut(t *testing.T) {
	var r ring
	next, want := uint64(0), uint64(0)
	for round := range 50 {
		for range round * 7 % 40 {
			r.push(request{k: next})
			next++
		}
		for range round * 5 % 23 {
			if r.len() == 0 {
				break
			}
			if got := r.pop().k; got != want {
				t.Fatalf("popped %d, want %d", got, want)
			}
			want++
		}
	}
	if r.len() != int(next-want) || next < 500 {
		t.Errorf("%d left of %d pushed and %d popped", r.len(), next, want)
	}
}

func TestValidity(t *testing.T) {
	good := func() (record.Measurement, driverFacts) {
		m := record.Measurement{Planned: 1000, Sent: 1000, InFlightCap: 64, MaxInFlight: 10, Driver: record.DriverUse{CPUSeconds: maybe.Of(1), CPUs: 1, ThrottledS: maybe.Of(0), StolenShare: maybe.Of(0)}}
		for range 1000 {
			m.DriverLag.Record(100 * time.Microsecond)
		}
		return m, driverFacts{lagLimit: time.Millisecond, window: 10 * time.Second, usageKnown: true, busiestShare: 0.1}
	}
	for _, test := range []struct {
		change func(*record.Measurement, *driverFacts)
		says   []string
	}{
		{func(*record.Measurement, *driverFacts) {}, nil},
		{func(m *record.Measurement, _ *driverFacts) {
			for range 20 {
				m.DriverLag.Record(3 * time.Millisecond)
			}
		}, []string{"p99 of its own lag is 3", "beyond 1ms"}},
		{func(_ *record.Measurement, d *driverFacts) { d.late = 1 }, nil},
		{func(_ *record.Measurement, d *driverFacts) { d.late = 2 }, []string{"2 of 1000 requests (0.200%)"}},
		// Requests that the in-flight cap holds back are the target's overload.
		{func(m *record.Measurement, _ *driverFacts) { m.Unsent, m.Planned, m.MaxInFlight = 10, 1010, 64 }, nil},
		{func(m *record.Measurement, _ *driverFacts) { m.Waited, m.Connections.Cap = 10, 64 }, []string{"10 of 1000", "the driver's 64 connections"}},
		{func(m *record.Measurement, _ *driverFacts) { m.Waited = 1 }, nil},
		{func(m *record.Measurement, _ *driverFacts) { m.Errors = map[string]int64{classNoPort: 3} }, []string{"3 requests found no free local port"}},
		{func(m *record.Measurement, _ *driverFacts) { m.Errors = map[string]int64{classNoFile: 3} }, []string{"3 requests found no free file"}},
		{func(m *record.Measurement, _ *driverFacts) { m.Planned, m.Sent = 0, 0 }, []string{"no request was due"}},
		{func(m *record.Measurement, _ *driverFacts) { m.Driver.ThrottledS = maybe.Of(0.25) }, []string{"throttled", "0.250 s"}},
		{func(m *record.Measurement, _ *driverFacts) { m.Driver.CPUSeconds = maybe.Of(7.5) }, []string{"used 75% of its 1 CPUs"}},
		{func(m *record.Measurement, d *driverFacts) {
			m.Driver.CPUSeconds, d.spinTime = maybe.Of(7.5), time.Second
		}, nil},
		{func(m *record.Measurement, _ *driverFacts) { m.Driver.StolenShare = maybe.Of(0.03) }, []string{"the hypervisor took 3.0%"}},
		// An unknown figure makes nothing invalid; NotKnown names it.
		{func(m *record.Measurement, _ *driverFacts) { m.Driver.ThrottledS = maybe.Number{} }, nil},
		{func(m *record.Measurement, _ *driverFacts) { m.Driver.StolenShare = maybe.Number{} }, nil},
		{func(m *record.Measurement, d *driverFacts) {
			m.Driver.CPUSeconds, d.usageKnown = maybe.Number{}, false
		}, []string{"the driver's own use of the CPU is not known"}},
		{func(_ *record.Measurement, d *driverFacts) { d.busiestShare = 0.9 }, []string{"busiest thread used 90%"}},
		{func(_ *record.Measurement, d *driverFacts) { d.usageKnown = false }, []string{"not known"}},
	} {
		m, facts := good()
		test.change(&m, &facts)
		reasons := invalidReasons(&m, facts)
		if (len(reasons) == 0) != (test.says == nil) {
			t.Errorf("reasons %q, want %q", reasons, test.says)
			continue
		}
		for _, says := range test.says {
			if !strings.Contains(reasons[0], says) {
				t.Errorf("%q does not say %q", reasons[0], says)
			}
		}
	}
}

func TestLagLimitFollowsTheSLO(t *testing.T) {
	for slo, want := range map[time.Duration]time.Duration{
		0: time.Millisecond, 10 * time.Millisecond: time.Millisecond, 100 * time.Millisecond: 5 * time.Millisecond,
	} {
		job := Job{SLOLatency: slo}
		if got := job.lagLimit(); got != want {
			t.Errorf("at an SLO of %v the lag may be %v, want %v", slo, got, want)
		}
	}
}

func TestStatusClass(t *testing.T) {
	for code, want := range map[int]string{101: classStatusOther, 200: "", 304: "", 399: "", 404: classStatus4xx, 503: classStatus5xx, 600: classStatusOther} {
		if got := statusClass(code); got != want {
			t.Errorf("%d is %q, want %q", code, got, want)
		}
	}
}

func TestMatcherMeetsSeams(t *testing.T) {
	body := "aab aaab ab aabaaab-end"
	for _, text := range []string{"", "a", "aab", "aaab", "b-end", "aabaaab", body, "nope", body + "x", "bb"} {
		for size := 1; size <= len(body); size++ {
			var m matcher
			m.reset([]byte(text))
			for from := 0; from < len(body); from += size {
				m.write([]byte(body[from:min(from+size, len(body))]))
			}
			if want := strings.Contains(body, text); m.found != want {
				t.Errorf("%q in pieces of %d: found %v, want %v", text, size, m.found, want)
			}
			if len(m.tail) > max(len(text)-1, 0)*2 {
				t.Errorf("%q: %d bytes kept", text, len(m.tail))
			}
		}
	}
}

func FuzzMatcher(f *testing.F) {
	f.Add([]byte("hello world"), []byte("o w"), uint8(3))
	f.Fuzz(func(t *testing.T, body, text []byte, size uint8) {
		var m matcher
		m.reset(text)
		for rest := body; len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			m.write(rest[:n])
			rest = rest[n:]
		}
		if want := bytes.Contains(body, text); m.found != want {
			t.Fatalf("found %v, want %v", m.found, want)
		}
	})
}

func TestErrorClass(t *testing.T) {
	if got := errorClass(fmt.Errorf("read: %w", errBodyTooBig)); got != classBodyTooBig {
		t.Errorf("%q", got)
	}
	if got := errorClass(fmt.Errorf("something else")); got != classOther {
		t.Errorf("%q", got)
	}
}
