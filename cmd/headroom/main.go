// SPDX-License-Identifier: Apache-2.0

// Command headroom measures what an architecture change buys, what it costs
// and what it breaks: it runs a before and an after in containers, pushes the
// same open-loop traffic at both, and compares.
//
// The flow of `headroom run phase3`, one step a package:
//
//  1. scenarios parses the scenario: two topologies, the load, the SLO, claims.
//  2. targets/image makes the one image that every machine runs.
//  3. harness/stage/docker starts the machines, or harness/stage/process does
//     where there is no Docker; targets/machine is what runs
//     inside one, targets/shop the application on it.
//  4. harness conducts: capacities, then blocks of slices. harness/drive sends each
//     slice's requests, harness/observe reads what the machines used.
//  5. harness/record writes every slice to out/<run>/trials.jsonl, the waist.
//  6. reports reads that file, and nothing else: comparison, verdicts, pages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes are a contract with scripts and CI.
const (
	exitGood         = 0
	exitRegression   = 1
	exitFailure      = 2 // usage, or something went wrong
	exitInconclusive = 3 // measured, but invalid, interrupted, or too little for a number
)

func main() {
	// The first signal cancels and everything is stopped in order; after it
	// the default handling is back, so a second one ends the program at once
	// and the reaper cleans up.
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	os.Exit(code)
}

// exitError carries an exit code other than exitFailure.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errNothingYet ends what was interrupted before its first measurement.
var errNothingYet = &exitError{exitInconclusive, errors.New("interrupted: nothing was measured yet")}

// run is the whole program as a function.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitGood
	}
	fmt.Fprintf(stderr, "headroom: %v\n", err)
	var coded *exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailure
}
