// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
)

// answer is a row of the closing table: what was asked of the driver, and
// whether it was met.
type answer struct {
	asked, aim, measured, met string
}

// The answers that a row can end with; what was not measured says why.
const (
	metYes      = "yes"
	metNo       = "no"
	metUnseen   = "not seen: nginx's core was full, so ours could not go faster"
	notMeasured = "not measured: "
)

func met(ok bool) string {
	if ok {
		return metYes
	}
	return metNo
}

const (
	pacingAimRPS = 10000
	pacingAimMS  = 0.1
	memoryAimMB  = 60
	coresAim     = 1.5 // p99 with one core over that with two
)

// asked compares what was asked with what this run found.
func (f findings) asked(s settings) []answer {
	return []answer{
		f.ratio(s, plainHTTP1, "wrk", 0.95),
		f.ratio(s, plainHTTP1, "vegeta", 3.5),
		f.pacingError(s),
		f.memory(s),
		f.ratio(s, tlsHTTP1, "vegeta", 3),
		f.ratio(s, tlsHTTP1, "wrk", 0.5),
		f.ratio(s, h2Shared, "vegeta", 3),
		f.ratio(s, h2Shared, "h2load", 0.5),
		f.ratio(s, h2Apart, "h2load", 0.5),
		f.oneCoreValid(s, tlsHTTP1),
		f.oneCoreP99(s, tlsHTTP1),
		f.oneCoreValid(s, h2Shared),
		f.oneCoreP99(s, h2Shared),
	}
}

// ratio is our requests per second over another tool's.
func (f findings) ratio(s settings, p protocol, other string, aim float64) answer {
	a := answer{asked: fmt.Sprintf("as fast as it goes, %s: ours / %s", p.name, other), aim: fmt.Sprintf("at least %g", aim), measured: "–"}
	results, measured := f.throughput[p.name]
	ratio, ok := ratioTo(results, other)
	_, ours := rateOf(results, nameOurs)
	switch {
	case !measured:
		a.met = notMeasured + "left out by --only " + s.only
	case slices.Contains(f.missing, other):
		a.met = notMeasured + other + " is not installed"
	case !ours:
		a.met = notMeasured + nameOurs + " failed"
	case !ok:
		a.met = notMeasured + other + " failed"
	case ratio < aim && targetFull(results):
		a.measured, a.met = fmt.Sprintf("at least %.2f", ratio), metUnseen
	default:
		a.measured, a.met = fmt.Sprintf("%.2f", ratio), met(ratio >= aim)
	}
	return a
}

func (f findings) pacingError(s settings) answer {
	a := answer{asked: fmt.Sprintf("pacing at %d/s, %s: p99 of the error", pacingAimRPS, plainHTTP1.name), aim: fmt.Sprintf("at most %g ms", pacingAimMS), measured: "–"}
	r, found := find(f.pacing, plainHTTP1, pacingAimRPS, "")
	switch {
	case !s.wants(partPacing):
		a.met = notMeasured + "left out by --only " + s.only
	case !found || r.failed != nil:
		a.met = notMeasured + nameOurs + " failed"
	case !r.grid(): // too little arrived: that is an answer
		a.measured, a.met = fmt.Sprintf("%.1f%% arrived", 100*median(r.arrived)), metNo
	default:
		p99 := median(r.errorP99MS)
		a.measured, a.met = fmt.Sprintf("%.3f ms", p99), met(p99 <= pacingAimMS)
	}
	return a
}

// memory is the most that our driver had in any of its runs.
func (f findings) memory(settings) answer {
	a := answer{asked: "peak memory of any of our runs", aim: fmt.Sprintf("at most %d MB", memoryAimMB), measured: "–", met: notMeasured + nameOurs + " failed"}
	most := 0.0
	for _, results := range f.throughput {
		for _, r := range results {
			if r.tool == nameOurs {
				most = max(most, r.rssMB)
			}
		}
	}
	for _, r := range slices.Concat(f.pacing, f.cores) {
		if r.tool == nameOurs {
			most = max(most, r.rssMB)
		}
	}
	if most > 0 {
		a.measured, a.met = fmt.Sprintf("%.0f MB", most), met(most <= memoryAimMB)
	}
	return a
}

func (f findings) oneCoreValid(s settings, p protocol) answer {
	a := answer{asked: fmt.Sprintf("%d/s on one core, %s: valid", coresRPS, p.name), aim: "every round", measured: "–"}
	one, found := find(f.cores, p, coresRPS, driverCore)
	switch {
	case !s.wants(partPacing):
		a.met = notMeasured + "left out by --only " + s.only
	case !found || one.failed != nil:
		a.met = notMeasured + nameOurs + " failed"
	default:
		a.measured, a.met = fmt.Sprintf("%d of %d", one.valid, one.rounds), met(one.valid == one.rounds)
	}
	return a
}

func (f findings) oneCoreP99(s settings, p protocol) answer {
	a := answer{asked: fmt.Sprintf("%d/s, %s: response p99 on one core / on two", coresRPS, p.name), aim: fmt.Sprintf("at most %g", coresAim), measured: "–"}
	one, found := find(f.cores, p, coresRPS, driverCore)
	two, alsoFound := find(f.cores, p, coresRPS, bothCores)
	switch {
	case !s.wants(partPacing):
		a.met = notMeasured + "left out by --only " + s.only
	case !found || !alsoFound || one.failed != nil || two.failed != nil:
		a.met = notMeasured + nameOurs + " failed"
	case len(one.responseP99MS) == 0 || len(two.responseP99MS) == 0 || median(two.responseP99MS) == 0:
		a.met = notMeasured + "too few requests for a p99"
	default:
		ratio := median(one.responseP99MS) / median(two.responseP99MS)
		a.measured, a.met = fmt.Sprintf("%.2f", ratio), met(ratio <= coresAim)
	}
	return a
}

// find is our row for a load.
func find(rows []paced, p protocol, rps int, cores string) (paced, bool) {
	i := slices.IndexFunc(rows, func(r paced) bool {
		return r.tool == nameOurs && r.protocol == p.name && r.rps == rps && r.cores == cores
	})
	if i < 0 {
		return paced{}, false
	}
	return rows[i], true
}

func printAsked(answers []answer) {
	fmt.Print("## What was asked\n\nOf this run alone; ratios are of medians.\n\n| asked | aim | measured | met |\n|---|---:|---:|---|\n")
	for _, a := range answers {
		fmt.Printf("| %s | %s | %s | %s |\n", a.asked, a.aim, a.measured, a.met)
	}
}
