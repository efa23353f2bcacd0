// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/gate"
	"headroom/scenarios"
)

// finding is what a gate has to name. Of what is timed it is the key alone.
type finding struct {
	endpoint string // "" it is timed
	metric   string // of a count its source, of what is timed its key
	of       string // a part of the statement's text, or of the table's name
}

// liveCase is a gate whose right answer is known.
type liveCase struct {
	name  string
	timed bool
	plant string // in after; "" the sides are equal
	finds finding
}

// liveScenario has two equal variants.
const liveScenario = "gate-shop"

const (
	liveFeed   = "GET /api/feed"
	liveOrders = "GET /api/orders?user={user}"
)

var liveCases = []liveCase{
	{name: "counted, equal"},
	{name: "a statement more", plant: "app/shop:plant=statement", finds: finding{liveFeed, "statement calls", "SELECT count(*) FROM users WHERE id = "}},
	{name: "a round trip more", plant: "app/shop:plant=round_trip", finds: finding{liveFeed, "round trips", ""}},
	{name: "answers twice as large", plant: "app/shop:plant=body", finds: finding{liveFeed, "response", ""}},
	{name: "N+1", plant: "app/shop:feed=n_plus_1", finds: finding{liveFeed, "statement calls", "SELECT id, name, city, bio FROM users WHERE id = "}},
	{name: "no index", plant: "database/postgres:indexes=primary_keys_only", finds: finding{liveOrders, "table rows", "orders"}},
	{name: "timed, equal", timed: true},
	{name: "20% more CPU in the app", timed: true, plant: "app/shop:burn=20%", finds: finding{metric: "cpu app"}},
}

func (c liveCase) equal() bool { return c.plant == "" }

// right says whether a gate came to what it had to: a pass of equal sides, else a
// regression that is named. In before nothing is planted, so what is found there is
// a false alarm.
func (c liveCase) right(r gate.Result) bool {
	if c.equal() {
		return r.Verdict == gate.Pass
	}
	named := false
	for _, m := range r.Counted {
		if m.Status != gate.StatusRegression {
			continue
		}
		if m.Variant == scenarios.Before {
			return false
		}
		named = named || m.Endpoint == c.finds.endpoint && m.Metric == c.finds.metric && strings.Contains(m.Of, c.finds.of)
	}
	for _, m := range r.Timed {
		named = named || m.Status == gate.StatusRegression && c.finds.endpoint == "" && m.Key == c.finds.metric
	}
	return r.Verdict == gate.Regression && named
}

// liveTally is what the gates of a case came to.
type liveTally struct {
	liveCase
	verdicts map[gate.Verdict]int
	right    int
	seconds  []float64
}

func (t liveTally) gates() int { return len(t.seconds) }

// wrong is how many gates came to what they must not. A timed gate of equal sides
// may end without a verdict, on a machine that is not quiet, but not every time.
func (t liveTally) wrong() int {
	if t.equal() && t.timed && t.right > 0 {
		return t.verdicts[gate.Regression]
	}
	return t.gates() - t.right
}

// below bounds, one-sided at 95%, how often a gate of the case is wrong.
func below(wrong, of int) float64 {
	return 100 * slo.ShareUpperBound(record.Count{Bad: int64(wrong), Of: int64(of)})
}

func (t liveTally) String() string {
	var verdicts []string
	for _, v := range []gate.Verdict{gate.Pass, gate.Regression, gate.NoVerdict} {
		if n := t.verdicts[v]; n > 0 {
			verdicts = append(verdicts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return fmt.Sprintf("%-26s %d of %d right (%s); wrong in less than %.0f%%; %.0f s a gate in the median",
		t.name, t.right, t.gates(), strings.Join(verdicts, ", "), below(t.wrong(), t.gates()), median(t.seconds))
}

// writeTallies writes what the gates came to and what so many prove. It is an
// error when one of them was wrong.
func writeTallies(w io.Writer, tallies []liveTally) error {
	var wrong []string
	alarms, equal := 0, 0
	for _, t := range tallies {
		if t.gates() == 0 {
			continue
		}
		if _, err := fmt.Fprintln(w, t); err != nil {
			return err
		}
		if t.equal() {
			alarms, equal = alarms+t.verdicts[gate.Regression], equal+t.gates()
		}
		if n := t.wrong(); n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s, %d of %d", t.name, n, t.gates()))
		}
	}
	if equal > 0 {
		if _, err := fmt.Fprintf(w, "False alarms: %d of %d gates of equal sides, which leaves a rate of up to %.0f%%. (All bounds: one-sided 95%%, Clopper and Pearson.)\n", alarms, equal, below(alarms, equal)); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return &exitError{exitRegression, fmt.Errorf("gates came to a wrong answer: %s", strings.Join(wrong, "; "))}
	}
	return nil
}

// liveGates runs every case several times, each gate as a process of its own, in
// a folder of its own.
type liveGates struct {
	times  int
	only   string // a case's name; "" all
	dir    string
	seed   uint64 // of the first gate; every other has its own
	stderr io.Writer
	// headroom runs this very program and returns what it printed. A verdict is no
	// error.
	headroom func(ctx context.Context, args ...string) ([]byte, error)
}

func runLive(cmd *cobra.Command, times int, only, stage string) error {
	if only != "" && !slices.ContainsFunc(liveCases, func(c liveCase) bool { return c.name == only }) {
		return usageError(cmd, fmt.Errorf("--only %q: no case is called that", only))
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	now := time.Now()
	l := liveGates{
		times: times, only: only, stderr: cmd.ErrOrStderr(), seed: uint64(now.Unix()),
		dir: filepath.Join("out", "gate-live-"+now.Format("20060102-150405")),
		headroom: func(ctx context.Context, args ...string) ([]byte, error) {
			return runSelf(ctx, self, append(args, "--stage", stage), cmd.ErrOrStderr())
		},
	}
	tallies, err := l.run(cmd.Context())
	wrong := writeTallies(cmd.OutOrStdout(), tallies)
	if err != nil {
		return err
	}
	return wrong
}

func (l liveGates) run(ctx context.Context) (tallies []liveTally, err error) {
	baseline := filepath.Join(l.dir, "baseline.json")
	counted := false
	for n, c := range liveCases {
		if l.only != "" && l.only != c.name {
			continue
		}
		if !c.timed && !counted {
			if err := os.MkdirAll(l.dir, 0o755); err != nil {
				return tallies, err
			}
			if _, err := l.headroom(ctx, "baseline", liveScenario, "--update", "--file", baseline); err != nil {
				return tallies, err
			}
			counted = true
		}
		t := liveTally{liveCase: c, verdicts: map[gate.Verdict]int{}}
		for i := range l.times {
			r, err := l.gate(ctx, c, baseline, filepath.Join(l.dir, fmt.Sprintf("%s-%d", c.name, i+1)), l.seed+uint64(n*l.times+i))
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

// gate runs one gate. What is counted has the baseline's seed: other keys make
// other counts. A timed gate has its own, as two that share arrivals and the order
// of their sides prove less than two.
func (l liveGates) gate(ctx context.Context, c liveCase, baseline, out string, seed uint64) (r gate.Result, err error) {
	args := []string{"gate", liveScenario, "--out", out, "--json"}
	if c.timed {
		args = append(args, "--seed", strconv.FormatUint(seed, 10))
	} else {
		args = append(args, "--baseline", baseline)
	}
	if !c.equal() {
		args = append(args, "--plant", c.plant)
	}
	text, err := l.headroom(ctx, args...)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// runSelf runs headroom as a process of its own.
func runSelf(ctx context.Context, self string, args []string, stderr io.Writer) ([]byte, error) {
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = stderr
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

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
