// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// effect is a ratio with its interval.
type effect struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func (e effect) known() bool { return e.Low > 0 && e.High > 0 }

func (e effect) holds(ratio float64) bool { return e.known() && e.Low <= ratio && ratio <= e.High }

// half is half the interval's width in ln(ratio).
func (e effect) half() float64 { return math.Log(e.High/e.Low) / 2 }

func (e effect) text() string {
	if !e.known() {
		return "none"
	}
	return fmt.Sprintf("%.3g (%.3g-%.3g)", e.Ratio, e.Low, e.High)
}

func effectOf(e compare.Effect) effect {
	out := effect{Ratio: e.Ratio}
	if i := e.Interval; i != nil && !math.IsInf(i.High, 1) {
		out.Low, out.High = i.Low, i.High
	}
	return out
}

// side is the capacity of one variant. HighRPS 0: nothing bounds it.
type side struct {
	PointRPS float64     `json:"point_rps"`
	LowRPS   float64     `json:"low_rps"`
	HighRPS  float64     `json:"high_rps"`
	Starts   []slo.Start `json:"starts"` // what each block's steps came to
}

func (s side) text() string {
	switch {
	case s.PointRPS == 0:
		return "none"
	case s.HighRPS == 0:
		return ">= " + compare.FormatRate(s.LowRPS)
	}
	return fmt.Sprintf("%s (%s-%s)", compare.FormatRate(s.PointRPS), compare.FormatRate(s.LowRPS), compare.FormatRate(s.HighRPS))
}

// result is a line of the file: what one run came to.
type result struct {
	Kind     string    `json:"kind"`
	Number   int       `json:"number"`
	Seed     uint64    `json:"seed"`
	At       time.Time `json:"at"`
	Seconds  float64   `json:"seconds"`
	Headroom string    `json:"headroom"` // its version
	Kernel   string    `json:"kernel"`
	Before   side      `json:"before"`
	After    side      `json:"after"`
	Capacity effect    `json:"capacity"`
	P95      effect    `json:"p95"` // at the common rate, and so on
	P50      effect    `json:"p50"`
	AppCPU   effect    `json:"app_cpu"`
	// Blocks is how many the capacities' ratio is made of.
	Blocks        int `json:"blocks"`
	Slices        int `json:"slices"`
	InvalidSlices int `json:"invalid_slices"`
	// HeadlineSeconds is from the run's start to the end of the last block's
	// slices: all that the headline is made of is there then.
	HeadlineSeconds float64 `json:"headline_s"`
	// Survive are the rows that max-T leaves, for all of their table together. Directions
	// are those rows, and the capacity where its interval excludes 1: the page says a
	// direction of these.
	Survive    []string `json:"survive"`
	Directions []string `json:"directions"`
	Pause      *pause   `json:"pause,omitempty"`
	NoVerdict  string   `json:"no_verdict,omitempty"` // why the run came to nothing
}

// appCPU is the key of an app's CPU per request; all five are alike.
const appCPU = "cpu_ms_per_request[app-1]"

// readRun reads what a run's folder has; p is what paused it, or nil.
func readRun(dir string, p *pauser) (result, error) {
	log, err := record.ReadFile(dir)
	if err != nil {
		return result{}, err
	}
	r, err := resultOf(log)
	if err == nil && p != nil {
		r.Pause = pauseOf(p.began, p.ended, log.Trials)
	}
	return r, err
}

// resultOf is a run's result by the report that a reader gets of it. Prices have no
// part in it.
func resultOf(log *record.Log) (result, error) {
	prices, err := cost.Example()
	if err != nil {
		return result{}, err
	}
	report, err := reports.Build(log, prices)
	if err != nil {
		return result{}, err
	}
	r := result{Headroom: report.Environment.Headroom, Kernel: report.Environment.Kernel,
		Slices: report.Validity.Slices, InvalidSlices: report.Validity.InvalidSlices,
		HeadlineSeconds: headline(log), Survive: []string{}, Directions: []string{}}
	for _, v := range report.Variants {
		c := v.Capacity
		s := side{PointRPS: c.PointRPS, LowRPS: c.LowRPS, HighRPS: c.HighRPS, Starts: c.Starts}
		if v.Variant == scenarios.Before {
			r.Before = s
		} else {
			r.After = s
		}
	}
	for _, row := range report.Overall {
		if row.Key != compare.CapacityRPS {
			continue // costs follow from it
		}
		r.Capacity, r.Blocks = effectOf(row.Effect), len(row.Effect.Pairs)
		if r.Capacity.known() && !r.Capacity.holds(1) {
			r.Directions = append(r.Directions, string(row.Key))
		}
	}
	for _, rate := range report.Rates {
		r.addRows(rate.Rows)
		r.addRows(rate.Details)
	}
	return r, nil
}

func (r *result) addRows(rows []reports.Row) {
	for _, row := range rows {
		switch row.Key {
		case scenarios.MetricP95:
			r.P95 = effectOf(row.Effect)
		case scenarios.MetricP50:
			r.P50 = effectOf(row.Effect)
		case appCPU:
			r.AppCPU = effectOf(row.Effect)
		}
		if row.Effect.Survives {
			r.Survive = append(r.Survive, string(row.Key))
			r.Directions = append(r.Directions, string(row.Key))
		}
	}
}

// headline is how many seconds after its start a run had all that its headline is
// made of.
func headline(log *record.Log) float64 {
	last := log.Run.StartedAt
	for _, t := range log.Trials {
		if _, end := span(t); t.Kind == record.KindSlice && end.After(last) {
			last = end
		}
	}
	return last.Sub(log.Run.StartedAt).Seconds()
}
