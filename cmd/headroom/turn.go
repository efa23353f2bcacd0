// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness/machinelock"
)

// turn is a command's place among those that measure on this machine. Only what
// a user starts takes one: the driver that a stage starts is part of its turn.
type turn struct {
	what   string // "run phase3"
	say    func(format string, args ...any)
	lock   *machinelock.Lock
	beside string // why nobody was waited for; "" the machine was this command's
}

// takeMachine takes this machine's lock; variable for the tests.
var takeMachine = func(ctx context.Context, what string, waits func(machinelock.Holder)) (*machinelock.Lock, error) {
	return machinelock.Take(ctx, machinelock.File(), what, waits)
}

const besideFlag = "beside"

func addBeside(cmd *cobra.Command, beside *bool) {
	cmd.Flags().BoolVar(beside, besideFlag, false, "don't wait for another measurement on this machine, though each may disturb the other; the result says it")
}

// newTurn is a turn that is not taken yet.
func newTurn(what string, beside bool, say func(format string, args ...any)) *turn {
	t := &turn{what: what, say: say}
	if beside {
		t.beside = "--" + besideFlag
	}
	return t
}

// takeTurn takes a turn for a command that has nothing to build before it.
func takeTurn(cmd *cobra.Command, what string, beside bool) (*turn, error) {
	t := newTurn(what, beside, func(format string, args ...any) {
		fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
	})
	return t, t.take(cmd.Context())
}

// take waits until nobody else measures here. Where that can't be known, it
// says so, and the measurement goes on.
func (t *turn) take(ctx context.Context) error {
	if t.beside != "" {
		return nil
	}
	began, waited := time.Now(), false
	lock, err := takeMachine(ctx, t.what, func(h machinelock.Holder) {
		waited = true
		t.say("%s; Ctrl-C ends it now, and --%s would not wait", h.Waiting(), besideFlag)
	})
	var unusable *machinelock.UnusableError
	switch {
	case errors.As(err, &unusable):
		t.beside = err.Error()
		t.say("warning: %s", unusable.Warning())
		return nil
	case err != nil && ctx.Err() != nil:
		return errNothingYet
	case err != nil:
		return err
	}
	if waited {
		t.say("the machine is free after %v of waiting", time.Since(began).Round(time.Second))
	}
	t.lock = lock
	return nil
}

// release ends the turn, if it was taken.
func (t *turn) release() { t.lock.Release() }
