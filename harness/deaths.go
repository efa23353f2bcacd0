package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

const (
	// mostRestarts bounds how often a run starts a block anew because a machine died.
	mostRestarts = 2
	// deathPatience is how long an error waits for the news that explains it. A
	// machine that died answers nobody at once, and the stage hears of its end a
	// moment later.
	deathPatience = 2 * time.Second
	deathPoll     = 50 * time.Millisecond
)

// diedError says that a machine of a running variant has died.
type diedError struct {
	variant scenarios.Variant
	stage.Death
}

func (e *diedError) Error() string { return fmt.Sprintf("%s: %v", e.variant, &e.Death) }

// diedOf is the first death of a system, nil while all of its machines live.
func diedOf(v scenarios.Variant, s stage.System) *diedError {
	if deaths := s.Deaths(); len(deaths) > 0 {
		return &diedError{v, deaths[0]}
	}
	return nil
}

// deathBehind is the death that an error came from, or nil when it came from
// something else.
func deathBehind(ctx context.Context, running map[scenarios.Variant]stage.System, err error) *diedError {
	for patience := time.Now().Add(deathPatience); err != nil && ctx.Err() == nil; {
		for v, s := range running {
			if died := diedOf(v, s); died != nil {
				return died
			}
		}
		if time.Now().After(patience) || sleep(ctx, deathPoll) != nil {
			break
		}
	}
	return nil
}

// anew measures a part of a run, and again from its beginning when a machine has
// died in it. What was measured of the part until then stays on file and is void.
func (c *Conductor) anew(ctx context.Context, block int, part func() error) error {
	for {
		c.partBegan = c.order + 1
		err := part()
		var died *diedError
		if !errors.As(err, &died) || ctx.Err() != nil {
			return err
		}
		if c.restarts == mostRestarts {
			return fmt.Errorf("%w\nblocks were started anew %d times because of such deaths", err, c.restarts)
		}
		c.restarts++
		c.Progress.Note("%v\nblock %d is started anew", died, block)
		restart := record.Restart{Block: block, FromOrder: c.partBegan, At: time.Now().UTC(), Reason: fmt.Sprintf("%s: %s", died.variant, died.Brief())}
		if err := c.Writer.WriteRestart(restart); err != nil {
			return err
		}
		c.forget()
	}
}

// forget makes the conductor know nothing of what is void. When that is all, the
// search for the capacities begins again.
func (c *Conductor) forget() {
	kept := c.trials[:0]
	for _, t := range c.trials {
		if t.Order < c.partBegan {
			kept = append(kept, t)
		}
	}
	c.trials = kept
	if c.partBegan == 1 {
		c.stairs, c.commonRPS = nil, 0
	}
}
