// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headroom/internal/child"
)

// The first machine that dies ends the start and is its error, whoever waits for
// it.
func TestDeathEndsTheStart(t *testing.T) {
	var w DeathWatch
	oom := errors.New("out of memory")
	log := child.NewLog("", nil)
	fmt.Fprintln(log, "cannot allocate")
	err := w.Start(t.Context(), func(ctx context.Context) error {
		w.Died(Death{Machine: "database", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Err: oom, Log: log})
		w.Died(Death{Machine: "app-1", At: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Err: errors.New("exit code 1")})
		<-ctx.Done() // else the test ends with the deadline of all
		return errors.New("app-1: not ready")
	})
	if err == nil || !errors.Is(err, oom) || !strings.HasPrefix(err.Error(), "machine database died at 03:04:05 UTC: out of memory") ||
		!strings.Contains(err.Error(), "cannot allocate") || strings.Contains(err.Error(), "app-1") {
		t.Errorf("the reason is %v", err)
	}
	if deaths := w.Deaths(); len(deaths) != 2 || deaths[0].Machine != "database" || strings.Contains(deaths[0].Brief(), "\n") {
		t.Errorf("deaths %v", deaths)
	}
}

// Once the system runs, a death is noted and ends nothing. What is being stopped
// does not die.
func TestDeathsOfARunningSystem(t *testing.T) {
	var w DeathWatch
	if err := w.Start(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	w.Died(Death{Machine: "cache", Err: errors.New("exit code 1")})
	w.Stopping()
	w.Died(Death{Machine: "database", Err: errors.New("exit code 0")})
	if deaths := w.Deaths(); len(deaths) != 1 || deaths[0].Machine != "cache" {
		t.Errorf("deaths %v, want the cache's alone", deaths)
	}
}

// Of machines that die together the earliest is the first, whosever last words
// come sooner; and whoever asks waits for the news.
func TestDeathsWaitForTheNews(t *testing.T) {
	var w DeathWatch
	done := w.Investigate()
	w.Died(Death{Machine: "app-1", At: time.Unix(2, 0)})
	go func() {
		time.Sleep(20 * time.Millisecond)
		w.Died(Death{Machine: "database", At: time.Unix(1, 0)})
		done()
	}()
	if deaths := w.Deaths(); len(deaths) != 2 || deaths[0].Machine != "database" {
		t.Errorf("deaths %v, want the database's first", deaths)
	}
}

// An interrupt is no death, and a start that fails by itself says why.
func TestNoDeath(t *testing.T) {
	var w DeathWatch
	ctx, cancel := context.WithCancel(t.Context())
	err := w.Start(ctx, func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted start gives %v", err)
	}
	failure := errors.New("no such image")
	if err := w.Start(t.Context(), func(context.Context) error { return failure }); !errors.Is(err, failure) || len(w.Deaths()) != 0 {
		t.Errorf("a start that fails gives %v", err)
	}
}
