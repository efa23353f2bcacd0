// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
)

// printSummary writes a measurement for a terminal.
func printSummary(w *bytes.Buffer, s record.Summary) {
	offered := "as fast as it goes"
	if s.OfferedRPS > 0 {
		offered = compare.FormatRate(s.OfferedRPS) + " requests/s"
	}
	fmt.Fprintf(w, "Load       %s arrivals, %s, for %s s\n", s.Arrivals, offered, compare.FormatNumber(s.DurationS))
	fmt.Fprintf(w, "Answered   %s requests/s correctly, within the %s s\n", compare.FormatRate(s.AchievedRPS), compare.FormatNumber(s.DurationS))
	fmt.Fprintf(w, "Requests   %s planned: %s succeeded, %s failed, %s unsent\n", count(s.Planned), count(s.Succeeded), count(s.Failed), count(s.Unsent))
	if s.Unsent > 0 {
		fmt.Fprintf(w, "Overload   %s requests were due and not sent: %s. They count as slower than all others.\n", count(s.Unsent), unsentReason(s))
	}
	if s.Retried > 0 {
		fmt.Fprintf(w, "Retried    %s second sends: a connection ended before a byte of the answer had come\n", count(s.Retried))
	}
	if len(s.Errors) > 0 {
		fmt.Fprintf(w, "Failures   %s\n", counts(s.Errors))
	}
	for _, class := range byCount(s.Errors) {
		if text := s.ErrorTexts[class]; text != "" {
			fmt.Fprintf(w, "           %s, first: %s\n", class, text)
		}
	}
	fmt.Fprintf(w, "Status     %s\n", cmp.Or(counts(s.Status), "no response"))
	if s.Protocol != "" {
		fmt.Fprintf(w, "Protocol   %s; %s connections opened%s (at most %s)\n", s.Protocol,
			count(s.Connections.Opened), openAtOnce(s.Connections), count(int64(s.Connections.Cap)))
	}
	fmt.Fprintf(w, "Bytes      %s in, %s out\n", count(s.BytesIn), count(s.BytesOut))
	if s.Clipped > 0 {
		fmt.Fprintf(w, "Clipped    %s took longer than the histogram holds (10 min): slower than anything below\n", count(s.Clipped))
	}

	fmt.Fprintf(w, "\n%-12s%10s%10s%10s%10s%10s%10s%10s%10s\n", "ms", "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "max")
	for _, row := range []struct {
		name string
		l    record.Latency
	}{{"response", s.ResponseMS}, {"  successes", s.ResponseSuccessMS}, {"service", s.ServiceMS}} {
		fmt.Fprintf(w, "%-12s", row.name)
		for _, v := range []*float64{row.l.Mean, row.l.P50, row.l.P75, row.l.P90, row.l.P95, row.l.P99, row.l.P999, row.l.Max} {
			fmt.Fprintf(w, "%10s", milliseconds(v))
		}
		w.WriteByte('\n')
	}
	if names := insufficient(s.ResponseMS); names != "" {
		fmt.Fprintf(w, "insufficient: %d samples are too few for %s\n", s.ResponseMS.Samples, names)
	}
	fmt.Fprint(w, "Response runs from the moment a request was due, service from its actual send.\n\n")
	printEndpoints(w, s.Endpoints)

	fmt.Fprintf(w, "Driver     %s, %s; sent late by %s (p50), %s (p99), %s (max); up to %s in flight\n",
		inUnit(s.Driver.CPUSeconds, "CPU s"), inUnit(s.Driver.MaxRSSMB, "MB"),
		microseconds(s.SendLagUS.P50), microseconds(s.SendLagUS.P99), microseconds(s.SendLagUS.Max), count(s.MaxInFlight))
	if note := record.BesideNote(s.Beside); note != "" {
		fmt.Fprintf(w, "Beside     %s\n", note)
	}
	if names := s.Driver.NotKnown(); len(names) > 0 {
		fmt.Fprintf(w, "Not known  the driver's %s: nothing is judged by that\n", strings.Join(names, ", "))
	}
	if s.Valid {
		fmt.Fprintln(w, "Valid      yes")
		return
	}
	fmt.Fprintf(w, "Valid      NO: %s\n", strings.Join(s.InvalidReasons, ";\n           "))
}

// inUnit is "40.0 MB", or "MB not known".
func inUnit(n maybe.Number, unit string) string {
	value, known := n.Get()
	if !known {
		return unit + " " + maybe.NotKnown
	}
	return compare.FormatNumber(value) + " " + unit
}

func count(n int64) string { return compare.FormatCount(int(n)) }

// unsentReason says what left no room for requests that were due.
func unsentReason(s record.Summary) string {
	if s.MaxInFlight < int64(s.InFlightCap) && s.Waited > 0 {
		return fmt.Sprintf("all connections stayed busy (at most %s may be open, --connections)", count(int64(s.Connections.Cap)))
	}
	return fmt.Sprintf("up to %s were in flight (--max-in-flight %s)", count(s.MaxInFlight), count(int64(s.InFlightCap)))
}

// openAtOnce says how many connections were open at once, where that is known.
func openAtOnce(c record.Connections) string {
	if c.Most == 0 {
		return ""
	}
	return fmt.Sprintf(", up to %s open at once", count(c.Most))
}

// printEndpoints writes each target's share, where there are several.
func printEndpoints(w *bytes.Buffer, endpoints []record.EndpointSummary) {
	if len(endpoints) < 2 {
		return
	}
	const widest = 48
	width := len("by target")
	for _, e := range endpoints {
		width = max(width, min(len(e.Name), widest))
	}
	fmt.Fprintf(w, "%-*s%10s%10s%10s%10s%10s\n", width, "by target", "sent", "failed", "p50 ms", "p95 ms", "p99 ms")
	for _, e := range endpoints {
		name := e.Name
		if len(name) > widest {
			name = name[:widest-1] + "…"
		}
		fmt.Fprintf(w, "%-*s%10s%10s%10s%10s%10s\n", width, name, count(e.Sent), count(e.Failed),
			milliseconds(e.ResponseMS.P50), milliseconds(e.ResponseMS.P95), milliseconds(e.ResponseMS.P99))
	}
	w.WriteByte('\n')
}

// byCount returns the names, the most frequent first.
func byCount(byName map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(byName), func(a, b string) int {
		return cmp.Or(cmp.Compare(byName[b], byName[a]), cmp.Compare(a, b))
	})
}

// counts lists what was counted, the most frequent first.
func counts(byName map[string]int64) string {
	names := byCount(byName)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, count(byName[name]))
	}
	return strings.Join(names, ", ")
}

func milliseconds(v *float64) string {
	if v == nil {
		return "–"
	}
	return compare.FormatNumber(*v)
}

func microseconds(v *float64) string {
	if v == nil {
		return "–"
	}
	return compare.FormatNumber(*v) + " µs"
}

// insufficient names the percentiles that the samples do not allow.
func insufficient(l record.Latency) string {
	if l.Samples == 0 {
		return ""
	}
	var names []string
	for _, p := range []struct {
		name string
		v    *float64
		q    float64
	}{{"p50", l.P50, 0.5}, {"p75", l.P75, 0.75}, {"p90", l.P90, 0.9}, {"p95", l.P95, 0.95}, {"p99", l.P99, 0.99}, {"p99.9", l.P999, 0.999}} {
		if p.v == nil {
			names = append(names, fmt.Sprintf("%s (needs %d)", p.name, record.SamplesNeeded(p.q)))
		}
	}
	return strings.Join(names, ", ")
}
