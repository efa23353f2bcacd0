package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
	if f.history != "" {
		rate, err := remember(f.history, gate.OutcomeOf(r))
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), rate)
	}
	return f.end(cmd, r)
}

func (f *gateFlags) write(name string, r gate.Result, write func(io.Writer, gate.Result) error) error {
	return outfile.Write(filepath.Join(f.out, name), func(w io.Writer) error { return write(w, r) })
}

// end turns the verdict into the exit code that was asked for.
func (f *gateFlags) end(cmd *cobra.Command, r gate.Result) error {
	code := r.Verdict.Exit()
	if r.Verdict == gate.NoVerdict {
		switch f.inconclusive {
		case inconclusivePass:
			fmt.Fprintln(cmd.ErrOrStderr(), "notice: no verdict, let pass by --inconclusive=pass")
			return nil
		case inconclusiveFail:
			code = exitRegression
		}
	}
	if code == exitGood {
		return nil
	}
	return &exitError{code, errors.New(r.Sentence)}
}

// historyName is a history's file in its folder.
const historyName = "gates.jsonl"

// remember adds an outcome to a history, and returns how often its gates raised
// a false alarm.
func remember(dir string, o gate.Outcome) (gate.Rate, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return gate.Rate{}, fmt.Errorf("--history: %w", err)
	}
	path := filepath.Join(dir, historyName)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return gate.Rate{}, fmt.Errorf("--history: %w", err)
	}
	history, err := gate.ReadHistory(path, bytes.NewReader(data))
	if err != nil {
		return gate.Rate{}, err
	}
	line, err := json.Marshal(o)
	if err != nil {
		return gate.Rate{}, err
	}
	err = outfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(append(data, line...), '\n'))
		return err
	})
	return gate.FalseAlarms(append(history, o)), err
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
