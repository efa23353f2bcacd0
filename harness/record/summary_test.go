// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// A percentile stands only where there are samples enough: null, not 0.
func TestSummaryLeavesOutWhatSamplesDoNotAllow(t *testing.T) {
	for _, test := range []struct {
		samples   int
		p95, p999 bool
	}{{0, false, false}, {58, false, false}, {59, true, false}, {2995, true, true}} {
		var m Measurement
		for range test.samples {
			m.Response.Record(20 * time.Millisecond)
		}
		l := Summarise(m).ResponseMS
		if (l.P95 != nil) != test.p95 || (l.P999 != nil) != test.p999 {
			t.Errorf("%d samples: p95 %v, p999 %v", test.samples, l.P95, l.P999)
		}
		if test.p95 && (*l.P95 < 19.9 || *l.P95 > 20.1) {
			t.Errorf("p95 is %v ms, want 20", *l.P95)
		}
		if (l.Mean != nil) != (test.samples > 0) {
			t.Errorf("%d samples: mean %v", test.samples, l.Mean)
		}
	}
}

func TestSummaryIsOneObjectOfArraysAndMaps(t *testing.T) {
	data, err := json.Marshal(Summarise(Measurement{Arrivals: "poisson", Interrupted: true}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"arrivals":"closed"`, `"errors":{}`, `"status":{}`, `"valid":false`, `"invalid_reasons":["interrupted"]`, `"p99":null`} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

func TestHDRLogHoldsWhatWasMeasured(t *testing.T) {
	m := Measurement{DurationS: 2.5, WarmupS: 1, Timeline: []Second{{Second: 0}, {Second: 1}, {Second: 2}}}
	for i := range m.Timeline {
		for range i { // second 0 is empty
			m.Timeline[i].Response.Record(time.Duration(i) * time.Second)
			m.Response.Record(time.Duration(i) * time.Second)
			m.Service.Record(time.Millisecond)
		}
	}
	var log bytes.Buffer
	began := time.UnixMilli(1_700_000_000_000)
	if err := WriteHDRLog(&log, m, began); err != nil {
		t.Fatal(err)
	}
	type interval struct {
		tag   string
		count int64
		max   time.Duration
		start int64
	}
	var got []interval
	reader := hdr.NewHistogramLogReader(&log)
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		got = append(got, interval{h.Tag(), h.TotalCount(), time.Duration(h.Max()).Round(10 * time.Millisecond), h.StartTimeMs() - began.UnixMilli()})
	}
	want := []interval{{"", 1, time.Second, 2000}, {"", 2, 2 * time.Second, 3000}, {"service", 3, 0, 1000}}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("interval %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}
