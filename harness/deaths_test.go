// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// dying lets a machine of the loaded system die in the drives that die says.
func dying(die func(n int, job drive.Job) bool) *fakeStage {
	fake := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500}}
	n := 0
	fake.disturbed = func(job drive.Job) bool {
		n++
		if !die(n, job) {
			return false
		}
		for system := range fake.running {
			if string(system.variant) == job.BaseURL {
				system.mu.Lock()
				system.deaths = append(system.deaths, stage.Death{Machine: "server", At: time.Unix(0, 0), Err: errors.New("out of memory")})
				system.mu.Unlock()
			}
		}
		return false
	}
	return fake
}

// A machine dies in a slice of the third block. The slice is on file with that reason, the
// block is started anew on fresh systems, and the block's earlier trials are void.
func TestDeathStartsTheBlockAnew(t *testing.T) {
	slices3 := 0
	var fake *fakeStage
	fake = dying(func(_ int, job drive.Job) bool {
		if job.Duration == FullPlan().Slice && len(fake.started) == 6 { // the third block's
			slices3++
			return slices3 == 2
		}
		return false
	})
	log, err := conduct(t, t.Context(), fake)
	if err != nil {
		t.Fatal(err)
	}
	if len(fake.started) != 2*(5+1) {
		t.Errorf("%d starts, want both variants for each of 5 blocks and for one again", len(fake.started))
	}
	valid, void, died := map[int]int{}, 0, 0
	for _, trial := range log.Trials {
		reasons := strings.Join(trial.Invalid, "; ")
		switch {
		case strings.Contains(reasons, "machine server died at 00:00:00 UTC: out of memory; block 3 was started anew: "):
			died++
		case strings.Contains(reasons, "block 3 was started anew: "):
			void++
			if trial.Block != 3 || trial.Verdict.Outcome != record.Invalid {
				t.Errorf("trial %d of block %d is void, as %s", trial.Order, trial.Block, trial.Verdict.Outcome)
			}
		case trial.Kind == record.KindSlice && trial.Valid():
			valid[trial.Block]++
		}
	}
	if died != 1 || void != 2*FullPlan().Turns+1 {
		t.Errorf("%d trials with the death, %d void; want 1 and the block's %d steps and a slice", died, void, 2*FullPlan().Turns)
	}
	for block := 1; block <= 5; block++ {
		if valid[block] != 6 {
			t.Errorf("block %d has %d valid slices, want 6", block, valid[block])
		}
	}
}

// In the first block the search for the capacities begins again too.
func TestDeathInTheFirstBlock(t *testing.T) {
	died := false
	fake := dying(func(_ int, job drive.Job) bool {
		now := job.Duration == FullPlan().Slice && !died
		died = died || now
		return now
	})
	log, err := conduct(t, t.Context(), fake)
	if err != nil {
		t.Fatal(err)
	}
	brackets := map[bool]int{}
	for _, trial := range log.Trials {
		if trial.RateName == record.RateBracket {
			brackets[trial.Valid()]++
		}
	}
	if brackets[true] == 0 || brackets[false] != brackets[true] {
		t.Errorf("brackets by validity: %v, want as many again", brackets)
	}
}

// A soak that a machine does not survive is soaked again on fresh systems. The
// block's own slices stay.
func TestDeathInTheFinale(t *testing.T) {
	died := false
	fake := dying(func(_ int, job drive.Job) bool {
		now := job.Duration == FullPlan().Search.Soak && !died
		died = died || now
		return now
	})
	log, err := conduct(t, t.Context(), fake)
	if err != nil {
		t.Fatal(err)
	}
	soaked := map[scenarios.Variant]bool{}
	for _, trial := range log.Trials {
		if trial.Kind == record.KindSlice && !trial.Valid() {
			t.Errorf("slice %d is void: %q", trial.Order, trial.Invalid)
		}
		if trial.RateName == record.RateSoak && trial.Verdict.Outcome == record.Held {
			soaked[trial.Variant] = true
		}
	}
	if len(soaked) != 2 || len(fake.started) != 2*(5+1) {
		t.Errorf("soaked %v after %d starts", soaked, len(fake.started))
	}
}

// A machine that dies again and again ends the run, with the cause of its death.
func TestDeathsEndTheRun(t *testing.T) {
	fake := dying(func(_ int, job drive.Job) bool { return job.Duration == FullPlan().Slice })
	log, err := conduct(t, t.Context(), fake)
	if err == nil || !strings.Contains(err.Error(), "machine server died") || !strings.Contains(err.Error(), "out of memory") ||
		!strings.Contains(err.Error(), "2 times before this a machine died") {
		t.Errorf("got %v", err)
	}
	if len(fake.started) != 2*(1+maxRestarts) || len(log.Trials) == 0 {
		t.Errorf("%d starts, %d trials", len(fake.started), len(log.Trials))
	}
	for _, trial := range log.Trials {
		if n := strings.Count(strings.Join(trial.Invalid, "; "), "was started anew: "); n != 1 {
			t.Errorf("trial %d is void %d times: %q", trial.Order, n, trial.Invalid)
		}
	}
	if slices.ContainsFunc(log.Trials, func(t record.Trial) bool { return t.Kind == record.KindSlice && t.Valid() }) {
		t.Error("a slice counts though its machine died")
	}
}

// When a machine's agent answers no more, the news of its death may come a moment
// later than the refusal: the death is named, and the block measured anew.
func TestDeathIsWaitedFor(t *testing.T) {
	done := false
	fake := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500}}
	fake.disturbed = func(job drive.Job) bool {
		if job.Duration != FullPlan().Slice || done {
			return false
		}
		done = true
		for system := range fake.running {
			if string(system.variant) == job.BaseURL {
				system.server.Close()
				time.AfterFunc(200*time.Millisecond, func() {
					system.mu.Lock()
					defer system.mu.Unlock()
					system.deaths = append(system.deaths, stage.Death{Machine: "server", At: time.Unix(0, 0), Err: errors.New("exit code 137")})
				})
			}
		}
		return false
	}
	log, err := conduct(t, t.Context(), fake)
	if err != nil || len(log.Restarts) != 1 || !strings.Contains(log.Restarts[0].Reason, "machine server died at 00:00:00 UTC: exit code 137") {
		t.Errorf("%v, restarts %+v", err, log.Restarts)
	}
}

// An error that no death explains ends the run as before, and soon.
func TestErrorsWithoutADeath(t *testing.T) {
	fake := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 0.5, scenarios.After: 500}}
	log, err := conduct(t, t.Context(), fake)
	if err == nil || strings.Contains(err.Error(), "died") || len(log.Restarts) != 0 || len(fake.started) != 2 {
		t.Errorf("%v after %d starts, restarts %+v", err, len(fake.started), log.Restarts)
	}
}

// The effect of void steps on a staircase is undone: the block begins where it began the
// first time.
func TestRestartPutsTheStaircasesBack(t *testing.T) {
	blocks := map[int][]float64{} // rates of before's steps in the third block, by attempt
	slicesSeen := 0
	var fake *fakeStage
	fake = dying(func(_ int, job drive.Job) bool {
		attempt := len(fake.started) / 2
		// In the attempt that is void before carries half as much: its staircase sinks.
		fake.capacity[scenarios.Before] = map[bool]float64{true: 100, false: 200}[attempt == 3]
		if (attempt == 3 || attempt == 4) && job.Duration == FullPlan().Search.Stair && job.BaseURL == string(scenarios.Before) {
			blocks[attempt] = append(blocks[attempt], job.RateRPS)
		}
		if job.Duration == FullPlan().Slice && attempt == 3 {
			slicesSeen++
			return slicesSeen == 1
		}
		return false
	})
	if _, err := conduct(t, t.Context(), fake); err != nil {
		t.Fatal(err)
	}
	first, again := blocks[3], blocks[4]
	// Each block moves its staircases by up to half a step of 5% by coin.
	if len(first) == 0 || len(first) != len(again) || math.Abs(again[0]/first[0]-1) > 0.06 {
		t.Errorf("the third block's steps went to %v, and the second time to %v", first, again)
	}
}
