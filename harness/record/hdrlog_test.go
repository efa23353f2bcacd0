// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// threeSeconds is a measurement of 2.5 s, each of its seconds with values of
// its own.
func threeSeconds(warmupS float64) Measurement {
	m := Measurement{DurationS: 2.5, WarmupS: warmupS, Timeline: []Second{{Second: 0}, {Second: 1}, {Second: 2}}}
	for i := range m.Timeline {
		for k := range 10 * (i + 1) {
			d := time.Duration(k+1) * time.Duration(i+1) * time.Millisecond
			m.Timeline[i].Response.Record(d)
			m.Response.Record(d)
			m.ResponseSuccess.Record(d)
			m.Service.Record(d / 2)
		}
	}
	return m
}

// ms is a time or a length as the log writes it, in seconds.
func ms(t *testing.T, seconds string) int64 {
	t.Helper()
	value, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(math.Round(value * 1000))
}

// Every interval lies where it was, to the millisecond: at the beginning, and
// the warm-up, and whole seconds.
func TestHDRLogTimes(t *testing.T) {
	for _, test := range []struct {
		beganMS  int64
		warmupS  float64
		from     string // of the log, in seconds since 1970
		fromDate string
	}{
		{1_441_812_279_474, 0, "1441812279.474", "2015-09-09T15:24:39.474Z"},
		{1_441_812_279_474, 10, "1441812289.474", "2015-09-09T15:24:49.474Z"},
		{1_700_000_000_000, 0, "1700000000.000", "2023-11-14T22:13:20.000Z"},
		{1_700_000_000_999, 0.57, "1700000001.569", "2023-11-14T22:13:21.569Z"},
		{1_700_000_000_001, 0.004, "1700000000.005", "2023-11-14T22:13:20.005Z"},
	} {
		m := threeSeconds(test.warmupS)
		var log bytes.Buffer
		if err := WriteHDRLog(&log, m, time.UnixMilli(test.beganMS)); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		head := []string{
			"#[headroom: response and service times in nanoseconds]",
			"#[Histogram log format version 1.3]",
			fmt.Sprintf("#[StartTime: %s (seconds since epoch), %s]", test.from, test.fromDate),
			fmt.Sprintf("#[BaseTime: %s (seconds since epoch)]", test.from),
			`"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`,
		}
		if got := strings.Join(lines[:min(len(lines), len(head))], "\n"); got != strings.Join(head, "\n") {
			t.Fatalf("the log begins\n%s\nwant\n%s", got, strings.Join(head, "\n"))
		}
		checkIntervals(t, lines[len(head):], m, test.beganMS, ms(t, test.from))
		checkRead(t, log.Bytes(), m, test.beganMS)
	}
}

// interval is one row that threeSeconds' log must have; its start is in ms
// since the run began.
type interval struct {
	tag               string
	startMS, lengthMS int64
	values            Histogram
}

func intervals(m Measurement) []interval {
	warmupMS := int64(math.Round(m.WarmupS * 1000))
	return []interval{
		{"", warmupMS, 1000, m.Timeline[0].Response},
		{"", warmupMS + 1000, 1000, m.Timeline[1].Response},
		{"", warmupMS + 2000, 500, m.Timeline[2].Response},
		{"response_success", warmupMS, 2500, m.ResponseSuccess},
		{"service", warmupMS, 2500, m.Service},
	}
}

// checkIntervals reads the table as a person does.
func checkIntervals(t *testing.T, rows []string, m Measurement, beganMS, baseMS int64) {
	t.Helper()
	want := intervals(m)
	if len(rows) != len(want) {
		t.Fatalf("%d intervals, want %d:\n%s", len(rows), len(want), strings.Join(rows, "\n"))
	}
	for i, w := range want {
		tag := w.tag
		if tag != "" {
			tag = "Tag=" + tag + ","
		}
		columns, tagged := strings.CutPrefix(rows[i], tag)
		row := strings.Split(columns, ",")
		if !tagged || len(row) != 4 {
			t.Fatalf("interval %d: %q, want %q and 4 columns", i, rows[i], tag)
		}
		if start := baseMS + ms(t, row[0]); start != beganMS+w.startMS {
			t.Errorf("interval %d of %d begins at %d ms, want %d", i, beganMS, start, beganMS+w.startMS)
		}
		if length := ms(t, row[1]); length != w.lengthMS {
			t.Errorf("interval %d of %d is %d ms long, want %d", i, beganMS, length, w.lengthMS)
		}
		if largest, err := strconv.ParseFloat(row[2], 64); err != nil || math.Abs(largest-float64(w.values.Max())/1e6) > 1e-6 {
			t.Errorf("interval %d of %d: its largest is %s ms, want %v", i, beganMS, row[2], w.values.Max())
		}
	}
}

// checkRead reads the log with hdrhistogram-go.
func checkRead(t *testing.T, log []byte, m Measurement, beganMS int64) {
	t.Helper()
	reader := hdr.NewHistogramLogReader(bytes.NewReader(log))
	for i, w := range intervals(m) {
		got, err := reader.NextIntervalHistogram()
		if err != nil || got == nil {
			t.Fatalf("interval %d of %d can't be read: %v", i, beganMS, err)
		}
		// The reader truncates a time a little below a millisecond, so 1 ms less is the
		// reader's error.
		began := beganMS + w.startMS
		if early := began - got.StartTimeMs(); early < 0 || early > 1 {
			t.Errorf("interval %d of %d is read as %d ms too early", i, beganMS, early)
		}
		if early := began + w.lengthMS - got.EndTimeMs(); early < 0 || early > 1 {
			t.Errorf("interval %d of %d is read as ending %d ms too early", i, beganMS, early)
		}
		if got.Tag() != w.tag || !got.Equals(w.values.HDR()) || got.TotalCount() != w.values.Count() {
			t.Errorf("interval %d of %d, %q, holds %d values, want %q and %d, or others", i, beganMS, got.Tag(), got.TotalCount(), w.tag, w.values.Count())
		}
	}
}
