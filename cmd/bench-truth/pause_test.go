// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// The pause comes once, within the first step or slice of before behind its moment. The
// clock is the bubble's: its sleeps are the steps' lengths and take no time.
func TestPauserKeepsItsMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var halted []time.Duration
		p := startPauser(t.Context(), moment{after: 9 * time.Second, into: time.Second}, func(context.Context) (time.Time, time.Time, error) {
			began := time.Now()
			halted = append(halted, began.Sub(start))
			time.Sleep(pauseFor)
			return began, time.Now(), nil
		})
		for i, line := range []string{ // two seconds each
			"[0:10] bracket: before at 500 requests/s (about 2s)\n",
			"[0:12] block 0 of 5: staircase of before at 1512 requests/s (about 3s)\n",
			"[0:14] block 1 of 5: staircase of before at 1512 requests/s (about 3s)\n", // at 4 s
			"[0:16] block 1 of 5: staircase of after at 1512 requests/s (about 3s)\n",
			"[0:18] block 1 of 5: staircase of before at 1612 requests/s (about 3s)\n",
			"[0:20] block 1 of 5: stop both (about 2s)\n",
			"[0:22] after 1 of 5 blocks: capacity of before 1612 requests/s\n",
			"[0:24] block 2 of 5: after at 800 requests/s (about 3s)\n", // at 14 s
			"[0:26] block 2 of 5: before at 800 requests/s (about 3s)\n",
			"[0:28] block 2 of 5: before at 800 requests/s (about 3s)\n",
			"[0:30] block 2 of 5: before at 800 requests/s (about 3s)\n",
		} {
			half := len(line) / 2
			fmt.Fprint(p, line[:half])
			fmt.Fprint(p, line[half:])
			if i < 10 {
				time.Sleep(2 * time.Second)
				synctest.Wait()
			}
		}
		if err := p.end(); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{17 * time.Second}; !slices.Equal(halted, want) {
			t.Errorf("halted at %v, want %v", halted, want)
		}
		if p.ended.Sub(p.began) != pauseFor {
			t.Errorf("it stood still for %v", p.ended.Sub(p.began))
		}
	})
}

func TestPauserTellsThatItDidNotPause(t *testing.T) {
	p := startPauser(t.Context(), moment{after: time.Hour}, func(context.Context) (began, ended time.Time, err error) {
		t.Error("halted")
		return began, ended, nil
	})
	fmt.Fprintln(p, "[0:14] block 1 of 5: staircase of before at 1512 requests/s (about 3s)")
	if err := p.end(); !errors.Is(err, errNoPause) {
		t.Errorf("%v", err)
	}
}

func TestDrawMoment(t *testing.T) {
	seen := map[moment]bool{}
	for seed := range uint64(200) {
		m := drawMoment(seed)
		if m != drawMoment(seed) || seen[m] || m.after < 0 || m.after >= latestPause || m.into < 0 || m.into >= deepestPause {
			t.Errorf("seed %d: %v", seed, m)
		}
		seen[m] = true
	}
}

// What headroom prints is what the pauser looks for.
func TestAnnouncedIsWhatHeadroomSays(t *testing.T) {
	for path, words := range map[string]string{
		"climb.go":  `fmt.Sprintf("%s: staircase of %s at %.0f requests/s", where, v, rps)`,
		"slices.go": `fmt.Sprintf("block %d of %d: %s at %.0f requests/s", block, c.Plan.Blocks, v, c.commonRPS)`,
	} {
		source, err := os.ReadFile(filepath.Join("..", "..", "harness", path))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(source), words) {
			t.Errorf("harness/%s has no %s: pause.go must know the new words", path, words)
		}
	}
}

func TestPauseOf(t *testing.T) {
	at := time.Date(2026, 11, 27, 4, 10, 0, 0, time.UTC)
	trial := func(v scenarios.Variant, block int, name scenarios.RateName, from time.Duration) record.Trial {
		return record.Trial{Variant: v, Block: block, RateName: name, Measurement: record.Measurement{Began: at.Add(from), DurationS: 3}}
	}
	trials := []record.Trial{
		trial(scenarios.After, 2, record.RateStairs, -4*time.Second), // ends a second before
		trial(scenarios.Before, 2, record.RateStairs, -time.Second),
		trial(scenarios.After, 2, record.RateStairs, 2500*time.Millisecond),
		trial(scenarios.Before, 2, record.RateCommon, 6*time.Second),
	}
	p := pauseOf(at, at.Add(3*time.Second), trials)
	if want := []string{"block 2, stairs of before", "block 2, stairs of after"}; !slices.Equal(p.Trials, want) || !p.Met || p.Seconds != 3 || !p.At.Equal(at) {
		t.Errorf("%+v, want %v", p, want)
	}
	if p := pauseOf(at.Add(-3500*time.Millisecond), at.Add(-2*time.Second), trials); p.Met || len(p.Trials) != 1 {
		t.Errorf("a pause that met after alone: %+v", p)
	}
}

func TestRunID(t *testing.T) {
	dir := t.TempDir()
	if _, err := runID(dir); err == nil {
		t.Error("no file, and no error")
	}
	writer, err := record.Create(dir, record.Run{ID: "paused-1"})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := runID(dir); err != nil || id != "paused-1" {
		t.Errorf("%q, %v", id, err)
	}
	if err := writer.Finish(record.End{}); err != nil {
		t.Fatal(err)
	}
}
