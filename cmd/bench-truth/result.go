package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// effect is a ratio with its interval.
type effect struct {
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func (e effect) known() bool { return e.Low > 0 && e.High > 0 }

func (e effect) holds(ratio float64) bool { return e.Low <= ratio && ratio <= e.High }

// half is half the interval's width in ln(ratio).
func (e effect) half() float64 { return math.Log(e.High/e.Low) / 2 }

func (e effect) text() string {
	if !e.known() {
		return "none"
	}
	return fmt.Sprintf("%.3g (%.3g-%.3g)", e.Ratio, e.Low, e.High)
}

// result is a line of the file: what one run came to.
type result struct {
	Kind      string    `json:"kind"`
	Number    int       `json:"number"`
	Seed      uint64    `json:"seed"`
	At        time.Time `json:"at"`
	Seconds   float64   `json:"seconds"`
	Headroom  string    `json:"headroom"`
	Kernel    string    `json:"kernel"`
	Capacity  effect    `json:"capacity"`
	P95       effect    `json:"p95"` // at the common rate, and so on
	P50       effect    `json:"p50"`
	AppCPU    effect    `json:"app_cpu"`
	NoVerdict string    `json:"no_verdict,omitempty"` // why the run came to nothing
	// Directions are the rows that the page says a direction of.
	Directions []string `json:"directions"`
}

// reportRow is a row of report.json.
type reportRow struct {
	Key    string `json:"key"`
	Effect struct {
		Ratio    float64 `json:"ratio"`
		Interval *struct {
			Low  float64  `json:"low"`
			High *float64 `json:"high"`
		} `json:"interval"`
		Survives bool `json:"survives"`
	} `json:"effect"`
}

func (r reportRow) effect() effect {
	e := effect{Ratio: r.Effect.Ratio}
	if i := r.Effect.Interval; i != nil && i.High != nil {
		e.Low, e.High = i.Low, *i.High
	}
	return e
}

// appCPU is the key of an app's CPU per request; all five are alike.
const appCPU = "cpu_ms_per_request[app-1]"

func readReport(path string) (result, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return result{}, err
	}
	var report struct {
		Overall []reportRow `json:"overall"`
		Rates   []struct {
			Name    string      `json:"name"`
			Rows    []reportRow `json:"rows"`
			Details []reportRow `json:"details"`
		} `json:"rates"`
		Environment struct {
			Headroom string `json:"headroom"`
			Kernel   string `json:"kernel"`
		} `json:"environment"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return result{}, fmt.Errorf("%s: %w", path, err)
	}
	r := result{Headroom: report.Environment.Headroom, Kernel: report.Environment.Kernel, Directions: []string{}}
	rows := report.Overall
	for _, rate := range report.Rates {
		rows = slices.Concat(rows, rate.Rows, rate.Details)
	}
	for _, row := range rows {
		switch row.Key {
		case "limit_rps":
			r.Capacity = row.effect()
			if e := r.Capacity; e.known() && !e.holds(1) {
				r.Directions = append(r.Directions, row.Key)
			}
		case "p95_ms":
			r.P95 = row.effect()
		case "p50_ms":
			r.P50 = row.effect()
		case appCPU:
			r.AppCPU = row.effect()
		}
		if row.Effect.Survives {
			r.Directions = append(r.Directions, row.Key)
		}
	}
	return r, nil
}

func printTable(results []result) {
	fmt.Println("| run | seed | capacity after/before | p95 | CPU of an app a request | directions claimed | s |\n|---|---:|---|---|---|---|---:|")
	for _, r := range results {
		fmt.Printf("| %s %d | %d | %s | %s | %s | %d | %.0f |\n", r.Kind, r.Number+1, r.Seed, r.Capacity.text(), r.P95.text(), r.AppCPU.text(), len(r.Directions), r.Seconds)
	}
	fmt.Println()
	for _, k := range kinds {
		of := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Kind != k.name })
		if len(of) > 0 {
			fmt.Println(k.sentence(of))
		}
	}
}

// sentence says what the runs of a kind prove.
func (k kind) sentence(of []result) string {
	n := len(of)
	if k.shows == nil {
		holds, directions := 0, 0
		var halves, p95 []float64
		for _, r := range of {
			if r.Capacity.known() && r.Capacity.holds(1) {
				holds++
			}
			if len(r.Directions) > 0 {
				directions++
			}
			if r.Capacity.known() {
				halves = append(halves, r.Capacity.half())
			}
			if r.P95.known() {
				p95 = append(p95, r.P95.High/r.P95.Low)
			}
		}
		return fmt.Sprintf("- %s: the ratio's interval holds 1 in %d of %d, half width %.1f%% in the median of %d; a direction is claimed in %d; p95's interval spans a factor of %.2f in the median of %d",
			k.name, holds, n, 100*median(halves), len(halves), directions, median(p95), len(p95))
	}
	found := 0
	for _, r := range of {
		if e, above := k.shows(r); e.known() && (above && e.Low > 1 || !above && e.High < 1) {
			found++
		}
	}
	return fmt.Sprintf("- %s: the planted difference is seen in %d of %d", k.name, found, n)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
