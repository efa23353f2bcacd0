// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/stage"
	"headroom/scenarios"
)

const (
	// maxRestarts bounds how often a run starts a block anew because a machine died.
	maxRestarts = 2
	// deathPatience is how long an error waits for the death that explains the error.
	// A dead machine stops answering at once, but the stage is told of the death a
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

// deathBehind is the death that caused an error, or nil when the error has another
// cause.
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

// withDeath puts the death that caused an error before the error.
func withDeath(ctx context.Context, running map[scenarios.Variant]stage.System, err error) error {
	var known *diedError
	if errors.As(err, &known) {
		return err
	}
	if died := deathBehind(ctx, running, err); died != nil {
		return errors.Join(died, err)
	}
	return err
}

// errNotClosed says that a system could not be removed. The same variant can't be
// started again beside that system.
var errNotClosed = errors.New("a system could not be stopped")

// part is the stretch of a run that a death makes void, and what the run knew before
// that stretch.
type part struct {
	name      string // "block 3"
	began     int    // the order of its first trial
	trials    int
	stairs    search.Staircases[scenarios.Variant]
	commonRPS float64
	fillRPS   float64
	repeats   int
}

// beginPart begins a part: if a machine dies, what is measured from now on is void.
func (c *Conductor) beginPart(format string, args ...any) {
	c.part = part{
		name: fmt.Sprintf(format, args...), began: c.order + 1, trials: len(c.trials), stairs: c.stairs.Clone(),
		commonRPS: c.commonRPS, fillRPS: c.fillRPS, repeats: c.repeats,
	}
}

// forgetPart makes the conductor know what it knew before the part.
func (c *Conductor) forgetPart() {
	c.trials, c.stairs = c.trials[:c.part.trials], c.part.stairs.Clone()
	c.commonRPS, c.fillRPS, c.repeats = c.part.commonRPS, c.part.fillRPS, c.part.repeats
}

// withRestarts measures a block. When a machine dies, the current part of the block is
// measured again from its beginning. The part's earlier trials stay on file and are
// void.
func (c *Conductor) withRestarts(ctx context.Context, block int, measure func() error) error {
	c.beginPart("block %d", block)
	for {
		err := measure()
		var died *diedError
		if !errors.As(err, &died) || ctx.Err() != nil {
			return err
		}
		restart := record.Restart{
			Block: block, Part: c.part.name, FromOrder: c.part.began, At: time.Now().UTC(),
			Reason: fmt.Sprintf("%s: %s", died.variant, died.Brief()),
		}
		if err := c.Writer.WriteRestart(restart); err != nil {
			return err
		}
		c.forgetPart()
		c.part.began = c.order + 1 // what is void already stays as it is
		switch {
		case errors.Is(err, errNotClosed):
			return err
		case c.restarts == maxRestarts:
			return fmt.Errorf("%w\n%d times before this a machine died, and what was being measured was started anew", err, c.restarts)
		}
		c.restarts++
		c.Progress.Note("%v\n%s is started anew", died, c.part.name)
	}
}
