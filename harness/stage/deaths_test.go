package stage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// The first machine that dies ends the start and is its reason, whoever waits
// for it.
func TestDeathEndsTheStart(t *testing.T) {
	var w Watch
	ctx, done := w.Starting(t.Context())
	defer done()
	oom := errors.New("out of memory")
	w.Died(Death{Machine: "database", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Err: oom})
	w.Died(Death{Machine: "app-1", Err: errors.New("exit code 1")})
	if ctx.Err() == nil {
		t.Fatal("the start goes on")
	}
	first := FirstDeath(ctx)
	if first == nil || first.Machine != "database" || !errors.Is(first, oom) || !strings.Contains(first.Error(), "machine database died at 03:04:05 UTC: out of memory") {
		t.Errorf("the reason is %v", first)
	}
	if deaths := w.Deaths(); len(deaths) != 2 || deaths[0].Machine != "database" {
		t.Errorf("deaths %v", deaths)
	}
}

// Once the system runs, a death is noted and ends nothing. What is being stopped
// does not die.
func TestDeathsOfARunningSystem(t *testing.T) {
	var w Watch
	ctx, done := w.Starting(t.Context())
	done()
	w.Died(Death{Machine: "cache"})
	if FirstDeath(ctx) != nil || len(w.Deaths()) != 1 {
		t.Errorf("the start's reason is %v, deaths %v", FirstDeath(ctx), w.Deaths())
	}
	w.Stopping()
	w.Died(Death{Machine: "database"})
	if len(w.Deaths()) != 1 {
		t.Errorf("a machine that was stopped counts as dead: %v", w.Deaths())
	}
}

func TestNoDeath(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d := FirstDeath(ctx); d != nil {
		t.Errorf("an interrupt is a death: %v", d)
	}
}
