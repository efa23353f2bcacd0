// Command bench-truth holds headroom run against itself: it runs phase 3 with two
// variants that are the same, and with differences that it has planted, and prints
// how often what came out is true, in Markdown.
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
	flag.IntVar(&b.runs, "runs", 6, "of each kind")
	only := flag.String("only", "", "one kind alone: "+strings.Join(names(), ", "))
	flag.Parse()
	if err := b.run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench-truth:", err)
		os.Exit(1)
	}
}

// bench is what is to be run.
type bench struct {
	headroom, file string
	runs           int
}

func (b bench) run(ctx context.Context, only string) error {
	results, err := read(b.file)
	if err != nil {
		return err
	}
	for number := range b.runs {
		for i, k := range kinds {
			if only != "" && only != k.name || has(results, k.name, number) {
				continue
			}
			seed := uint64(1 + number*len(kinds) + i)
			fmt.Fprintf(os.Stderr, "%s, run %d of %d, seed %d\n", k.name, number+1, b.runs, seed)
			r, err := b.one(ctx, k, number, seed)
			if err != nil {
				return err
			}
			if err := b.append(r); err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	printTable(results)
	return nil
}

// inconclusive is headroom's exit code where no slice was valid.
const inconclusive = 3

// one runs one kind once, in a folder of its own.
func (b bench) one(ctx context.Context, k kind, number int, seed uint64) (result, error) {
	dir := filepath.Join(filepath.Dir(b.file), fmt.Sprintf("truth-%s-%d-%s", k.name, number+1, time.Now().Format("20060102-150405")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return result{}, err
	}
	text, err := k.scenario()
	if err != nil {
		return result{}, err
	}
	file := filepath.Join(dir, k.name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return result{}, err
	}
	out := filepath.Join(dir, "run")
	cmd := exec.CommandContext(ctx, b.headroom, "run", file, "--soak", "0", "--seed", strconv.FormatUint(seed, 10), "--out", out)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	began := time.Now()
	noVerdict := ""
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil || cmd.ProcessState.ExitCode() != inconclusive {
			return result{}, fmt.Errorf("%s: %w", k.name, errors.Join(err, ctx.Err()))
		}
		noVerdict = "the run ended without a result"
	}
	r, err := readReport(filepath.Join(out, "report.json"))
	r.NoVerdict = noVerdict
	r.Kind, r.Number, r.Seed, r.Seconds, r.At = k.name, number, seed, time.Since(began).Seconds(), began.UTC()
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

// read reads the results that are there, none where there is no file.
func read(path string) ([]result, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var results []result
	lines := bufio.NewScanner(f)
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
