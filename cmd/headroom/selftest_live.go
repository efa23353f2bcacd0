package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"headroom/reports/gate"
)

// liveCase is a gate whose right answer is known.
type liveCase struct {
	name  string
	timed bool
	plant string // in after; "" the sides are equal
	finds string // a metric that must be named: of a count its source, of CPU time its key
}

// liveScenario has two equal variants.
const liveScenario = "gate-shop"

var liveCases = []liveCase{
	{name: "counted, equal"},
	{name: "a statement more", plant: "app/shop:plant=statement", finds: "statements"},
	{name: "a round trip more", plant: "app/shop:plant=round_trip", finds: "round trips"},
	{name: "answers twice as large", plant: "app/shop:plant=body", finds: "response"},
	{name: "N+1", plant: "app/shop:feed=n_plus_1", finds: "statement calls"},
	{name: "no index", plant: "database/postgres:indexes=primary_keys_only", finds: "table rows"},
	{name: "timed, equal", timed: true},
	// A fifth of what a request takes in the app, 1 ms.
	{name: "20% more CPU in the app", timed: true, plant: "app/shop:burn=200us", finds: "cpu app"},
}

// right says whether a gate came to what it had to: a pass of equal sides, else a
// regression with the right name.
func (c liveCase) right(r gate.Result) bool {
	if c.finds == "" {
		return r.Verdict == gate.Pass
	}
	named := slices.ContainsFunc(r.Counted, func(m gate.CountResult) bool {
		return m.Status == gate.StatusRegression && m.Metric == c.finds && m.Variant == "after"
	}) || slices.ContainsFunc(r.Timed, func(m gate.Timed) bool {
		return m.Status == gate.StatusRegression && m.Key == c.finds
	})
	return r.Verdict == gate.Regression && named
}

// liveTally is what the gates of a case came to.
type liveTally struct {
	liveCase
	verdicts map[gate.Verdict]int
	right    int
	seconds  []float64
}

// liveGates runs every case several times, each gate as a process of its own, in
// a folder of its own.
type liveGates struct {
	times  int
	only   string // a case's name; "" all
	stage  string
	dir    string
	self   string
	stderr io.Writer
}

func runLive(cmd *cobra.Command, times int, only, stage string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l := liveGates{times: times, only: only, stage: stage, self: self, stderr: cmd.ErrOrStderr(),
		dir: filepath.Join("out", "gate-live-"+time.Now().Format("20060102-150405"))}
	tallies, err := l.run(cmd.Context())
	for _, t := range tallies {
		fmt.Fprintf(cmd.OutOrStdout(), "%-26s %d of %d right: %v; %.0f s a gate in the median\n", t.name, t.right, len(t.seconds), t.verdicts, median(t.seconds))
	}
	if err != nil {
		return err
	}
	if len(tallies) == 0 {
		return usageError(cmd, fmt.Errorf("--only %q: no case is called that", only))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "So few prove little: no alarm in %d gates leaves a rate of up to %.0f%% (95%%).\n", times, 100*mostMissed(times))
	return nil
}

func (l liveGates) run(ctx context.Context) (tallies []liveTally, err error) {
	baseline := filepath.Join(l.dir, "baseline.json")
	for _, c := range liveCases {
		if l.only != "" && l.only != c.name {
			continue
		}
		if _, statErr := os.Stat(baseline); !c.timed && statErr != nil {
			if err := os.MkdirAll(l.dir, 0o755); err != nil {
				return tallies, err
			}
			if _, err := l.headroom(ctx, "baseline", liveScenario, "--update", "--file", baseline); err != nil {
				return tallies, err
			}
		}
		t := liveTally{liveCase: c, verdicts: map[gate.Verdict]int{}}
		for i := range l.times {
			r, err := l.gate(ctx, c, baseline, filepath.Join(l.dir, fmt.Sprintf("%s-%d", c.name, i+1)))
			if err != nil {
				return append(tallies, t), err
			}
			t.verdicts[r.Verdict]++
			t.seconds = append(t.seconds, r.Seconds)
			if c.right(r) {
				t.right++
			}
			fmt.Fprintf(l.stderr, "%s, %d of %d: %s\n", c.name, i+1, l.times, r.Sentence)
		}
		tallies = append(tallies, t)
	}
	return tallies, nil
}

func (l liveGates) gate(ctx context.Context, c liveCase, baseline, out string) (r gate.Result, err error) {
	args := []string{"gate", liveScenario, "--out", out, "--json"}
	if !c.timed {
		args = append(args, "--baseline", baseline)
	}
	if c.plant != "" {
		args = append(args, "--plant", c.plant)
	}
	text, err := l.headroom(ctx, args...)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// headroom runs this very program. A verdict is no error.
func (l liveGates) headroom(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, l.self, append(args, "--stage", l.stage)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = l.stderr
	out, err := cmd.Output()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ctx.Err() == nil && ended.ExitCode() != exitFailure && len(out) > 0 {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("headroom %s: %w", args[0], err)
	}
	return out, nil
}

// mostMissed is the largest rate of which n trials in a row show nothing in one
// case of twenty.
func mostMissed(n int) float64 { return 1 - math.Pow(0.05, 1/float64(n)) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
