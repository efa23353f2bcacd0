// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/internal/flock"
	"headroom/internal/outfile"
	"headroom/reports"
	"headroom/reports/gate"
)

// conclude writes the result everywhere, and ends with the verdict's exit code.
func (f *gateFlags) conclude(cmd *cobra.Command, r gate.Result) error {
	lenient := f.inconclusive == inconclusivePass
	err := errors.Join(
		f.write("gate.json", r, gate.WriteJSON), f.write("gate.md", r, gate.WriteMarkdown),
		f.write("gate.html", r, reports.WriteGateHTML), f.write("gate.openmetrics.txt", r, gate.WriteOpenMetrics),
		f.write("gate.xml", r, func(w io.Writer, r gate.Result) error { return gate.WriteJUnit(w, r, lenient) }))
	if err != nil {
		return err
	}
	write := gate.WriteTable
	if f.json {
		write = gate.WriteJSON
	}
	if err := write(cmd.OutOrStdout(), r); err != nil {
		return err
	}
	if f.annotations {
		if err := gate.WriteAnnotations(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "page:", filepath.Join(f.out, "gate.html"))
	f.keep(cmd, r)
	return f.end(cmd, r)
}

// keep adds the outcome to the history. The verdict stands whatever becomes of
// that. A gate with a planted difference says nothing about false alarms.
func (f *gateFlags) keep(cmd *cobra.Command, r gate.Result) {
	if f.history == "" || len(f.plants) > 0 {
		return
	}
	rate, err := appendHistory(f.history, gate.OutcomeOf(r, f.baselineHash, f.expect))
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: --history: %v\n", err)
		return
	}
	fmt.Fprintln(cmd.ErrOrStderr(), rate)
}

func (f *gateFlags) write(name string, r gate.Result, write func(io.Writer, gate.Result) error) error {
	return outfile.Write(filepath.Join(f.out, name), func(w io.Writer) error { return write(w, r) })
}

// end turns the verdict into the exit code that was asked for.
func (f *gateFlags) end(cmd *cobra.Command, r gate.Result) error {
	code := r.Verdict.Exit()
	if r.Verdict == gate.NoVerdict {
		switch {
		case f.inconclusive == inconclusiveFail:
			code = exitRegression
		case f.inconclusive == inconclusivePass && r.LacksData():
			fmt.Fprintln(cmd.ErrOrStderr(), "notice: --inconclusive=pass lets noise pass, but what was to be gated gave no number, or not one to be believed")
		case f.inconclusive == inconclusivePass:
			fmt.Fprintln(cmd.ErrOrStderr(), "notice: no verdict, let pass by --inconclusive=pass")
			if f.annotations {
				return gate.WriteNotice(cmd.OutOrStdout(), "no verdict, let pass: "+r.Sentence)
			}
			return nil
		}
	}
	if code == exitGood {
		return nil
	}
	return &exitError{code, fmt.Errorf("%s of %s", r.Verdict, r.Scenario)}
}

// historyName is a history's file in its folder.
const historyName = "gates.jsonl"

// historyPatience is how long a gate waits for another that writes the history.
const historyPatience = 5 * time.Second

// appendHistory appends an outcome to a history, and returns how often its gates
// raised a false alarm. Gates of several jobs may share the folder.
func appendHistory(dir string, o gate.Outcome) (rate gate.Rate, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return rate, err
	}
	path := filepath.Join(dir, historyName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return rate, err
	}
	defer func() { err = errors.Join(err, file.Close()) }() // and the lock's end
	if err := lockWithin(file, historyPatience); err != nil {
		return rate, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return rate, err
	}
	line, err := o.Line(data)
	if err != nil {
		return rate, err
	}
	if _, err := file.Write(line); err != nil {
		return rate, err
	}
	history, err := gate.ReadHistory(path, bytes.NewReader(append(data, line...)))
	return gate.FalseAlarms(history), err
}

func lockWithin(file *os.File, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		taken, err := flock.Try(file)
		if taken || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is locked by another gate for more than %v", file.Name(), patience)
		}
	}
}

// checkHistory reads the history before minutes are spent on a gate that could
// not be kept.
func checkHistory(dir string) error {
	if dir == "" {
		return nil
	}
	path := filepath.Join(dir, historyName)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = gate.ReadHistory(path, bytes.NewReader(data))
	}
	if err != nil {
		return fmt.Errorf("--history: %w", err)
	}
	return nil
}

// commitOf is what is gated: what was said, what CI says, or git's head where
// nothing is changed; else "".
func (f *gateFlags) commitOf(ctx context.Context) string {
	if f.commit != "" {
		return f.commit
	}
	for _, name := range []string{"GITHUB_SHA", "CI_COMMIT_SHA"} {
		if commit := os.Getenv(name); commit != "" {
			return commit
		}
	}
	changed, err := git(ctx, "status", "--porcelain", "--untracked-files=no")
	if err != nil || changed != "" {
		return ""
	}
	head, err := git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return ""
	}
	return head
}

func git(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	return strings.TrimSpace(string(out)), err
}
