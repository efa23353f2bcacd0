// SPDX-License-Identifier: Apache-2.0

// Command bench-truth holds headroom run against itself: it runs phase 3 with two
// variants that are the same, with differences that it has planted, and with a
// database that stands still for 3 s, and prints how often what came out is true, in
// Markdown, beside what was asked for.
//
// Every run has a seed of its own and no soak. A run's result is appended to a
// file at once; what the file has already is not run again, so the bench may take
// several sittings.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := bench{}
	flag.StringVar(&b.headroom, "headroom", "bin/headroom", "the headroom command")
	flag.StringVar(&b.file, "file", "out/truth.jsonl", "where results are kept and appended to")
	flag.IntVar(&b.runs, "runs", 0, "of each kind; 0: 6 of those that are equal or planted, 5 paused, 3 undisturbed")
	flag.StringVar(&b.only, "only", "", "some kinds alone, with commas between: "+strings.Join(names(), ","))
	table := flag.Bool("table", false, "run nothing: print the tables of --file")
	flag.Parse()
	var err error
	switch {
	case flag.NArg() > 0:
		err = fmt.Errorf("%q is no argument: options begin with --", flag.Arg(0))
	case b.runs < 0:
		err = fmt.Errorf("--runs %d: give 1 or more, or 0 for each kind's own number", b.runs)
	case *table:
		err = b.print(os.Stdout)
	default:
		err = b.run(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-truth:", err)
		os.Exit(1)
	}
}

// bench is what is to be run.
type bench struct {
	headroom, file, only string
	runs                 int
}

// maxFailed runs in a row end the bench. Fewer are told and kept as failed: a sitting of
// hours does not end with one.
const maxFailed = 3

func (b bench) run(ctx context.Context, out io.Writer) error {
	asked, err := named(b.only)
	if err != nil {
		return err
	}
	results, err := read(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(filepath.Dir(b.file), 0o755)
	}
	if err != nil {
		return err
	}
	var left []error
	inARow := 0
	for _, n := range schedule(asked, b.runs) {
		if has(results, n.name, n.number) {
			continue
		}
		r, err := b.one(ctx, n)
		if ctx.Err() != nil {
			left = append(left, fmt.Errorf("%s, run %d: %w", n.name, n.number+1, errors.Join(err, ctx.Err())))
			break
		}
		inARow++
		if err == nil {
			inARow = 0
		} else {
			// A run that fails is on file too: what it would have shown is not known.
			err = fmt.Errorf("%s, run %d: %w", n.name, n.number+1, err)
			fmt.Fprintf(os.Stderr, "bench-truth: failed: %v\nbench-truth: to run it again, take its line out of %s\n", err, b.file)
			left = append(left, err)
			r = result{Kind: n.name, Number: n.number, Seed: n.seed(), At: time.Now().UTC(), Headroom: r.Headroom, NoVerdict: "failed: " + err.Error()}
		}
		results = append(results, r)
		if err := b.append(r); err != nil {
			return err
		}
		if inARow == maxFailed {
			break
		}
	}
	return errors.Join(append(left, writeTables(out, results))...)
}

// print writes the tables of what is on file.
func (b bench) print(out io.Writer) error {
	results, err := read(b.file)
	if err != nil {
		return fmt.Errorf("%w: name a file of results with --file", err)
	}
	return writeTables(out, results)
}

const (
	// inconclusive is headroom's exit code where no slice was valid.
	inconclusive = 3
	// maxRunTime bounds a run with its wait for other measurements on the machine.
	maxRunTime = 2 * time.Hour
	// cleanUp is how long a run that is stopped may take to remove what it started.
	cleanUp = 2 * time.Minute
)

// one runs one kind once, in a folder of its own.
func (b bench) one(ctx context.Context, n numbered) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, maxRunTime)
	defer cancel()
	began := time.Now()
	seed := n.seed()
	fmt.Fprintf(os.Stderr, "%s, run %d, seed %d\n", n.name, n.number+1, seed)
	dir := filepath.Join(filepath.Dir(b.file), fmt.Sprintf("truth-%s-%d-%s", n.name, n.number+1, began.Format("20060102-150405")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return result{}, err
	}
	text, err := n.scenario()
	if err != nil {
		return result{}, err
	}
	file := filepath.Join(dir, n.name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return result{}, err
	}
	out := filepath.Join(dir, "run")
	cmd := exec.CommandContext(ctx, b.headroom, "run", file, "--soak", "0", "--seed", strconv.FormatUint(seed, 10), "--out", out)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	cmd.WaitDelay = cleanUp
	var p *pauser
	if n.pause {
		p = startPauser(ctx, drawMoment(seed), haltDatabase(out))
		cmd.Stderr = io.MultiWriter(os.Stderr, p)
	}
	err = cmd.Run()
	if p != nil {
		if pauseErr := p.end(); pauseErr != nil {
			return result{}, errors.Join(err, pauseErr)
		}
	}
	noVerdict := ""
	if err != nil {
		if ctx.Err() != nil || cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != inconclusive {
			return result{}, errors.Join(err, ctx.Err())
		}
		noVerdict = "the run ended without a result"
	}
	r, err := readRun(out, p)
	r.Kind, r.Number, r.Seed, r.NoVerdict = n.name, n.number, seed, noVerdict
	r.At, r.Seconds = began.UTC(), time.Since(began).Seconds()
	return r, err
}

func (b bench) append(r result) error {
	f, err := os.OpenFile(b.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	return errors.Join(err, f.Close())
}

// maxLineBytes of a file of results, in bytes.
const maxLineBytes = 1 << 20

// read reads the results that are there.
func read(path string) ([]result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var results []result
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLineBytes)
	for number := 1; lines.Scan(); number++ {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w: mend the line or take it out", path, number, err)
		}
		results = append(results, r)
	}
	return results, lines.Err()
}

func has(results []result, kind string, number int) bool {
	for _, r := range results {
		if r.Kind == kind && r.Number == number {
			return true
		}
	}
	return false
}
