// SPDX-License-Identifier: Apache-2.0

// Command bench-capacity measures how true `headroom capacity` is: it lets it
// search a queue whose capacity is known, again and again, and prints each
// answer beside the analytic one, in Markdown.
//
// The queue is an M/M/c in a process of its own: c servers, exponential
// service, one line for all. Its work is waiting, so it needs next to no CPU
// and what is measured is the search. The answer is where the tail of the
// response time, with Erlang's C formula, reaches the SLO.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"headroom/harness/machinelock"
)

// queueArg makes this program the queue, for its own use.
const queueArg = "queue"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	headroom := flag.String("headroom", "bin/headroom", "the headroom command")
	runs := flag.Int("runs", 10, "searches, one after the other")
	maxTime := flag.Duration("max-time", 90*time.Second, "of one search")
	var q queue
	flag.IntVar(&q.servers, "servers", 4, "of the queue")
	flag.DurationVar(&q.mean, "service", 10*time.Millisecond, "mean service time")
	limit := flag.Duration("limit", 80*time.Millisecond, "the SLO is p99 below this")
	flag.Parse()
	err := q.check(*limit)
	switch {
	case err != nil:
	case flag.Arg(0) == queueArg:
		err = q.serve(ctx, os.Stdout)
	default:
		err = bench(ctx, *headroom, q, *limit, *runs, *maxTime)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-capacity:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, headroom string, q queue, limit time.Duration, runs int, maxTime time.Duration) error {
	truth := q.capacity(limit)
	lock, err := machinelock.TakeOrWarn(ctx, "bench-capacity", os.Stderr)
	if err != nil {
		return err
	}
	defer lock.Release()
	fmt.Printf("%d servers, exponential service of %v, p99<%v: %.1f requests/s hold it.\n\n", q.servers, q.mean, limit, truth)
	fmt.Printf("| run | capacity | 95%% range | off | confirmed | s |\n|---|---|---|---|---|---|\n")
	near, within, above := 0, 0, 0
	for run := range runs {
		url, stop, err := startQueue(ctx, q)
		if err != nil {
			return err
		}
		found, err := search(ctx, headroom, url, limit, maxTime)
		stop()
		if err != nil {
			return err
		}
		if found.holds(truth) {
			within++
		}
		if c := found.Capacity.Confirmed; c != nil && *c > truth {
			above++
		}
		off := found.value()/truth - 1
		if math.Abs(off) <= 0.05 {
			near++
		}
		fmt.Printf("| %d | %s | %s - %s | %+.1f%% | %s | %.0f |\n", run+1, text(found.Capacity.Value), text(found.Capacity.Low), text(found.Capacity.High), off*100, text(found.Capacity.Confirmed), found.ElapsedS)
	}
	fmt.Printf("\n%d of %d within 5%%; the printed range holds the truth in %d of %d; %d confirmed a rate above the truth.\n", near, runs, within, runs, above)
	return nil
}

// startQueue runs the queue as a process of its own, until stop.
func startQueue(ctx context.Context, q queue) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, "-servers", strconv.Itoa(q.servers), "-service", q.mean.String(), queueArg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("start the queue: %w", err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // killed: its error says just that
	}
	if _, err := fmt.Fscanln(out, &url); err != nil {
		stop()
		return "", nil, fmt.Errorf("the queue did not say where it listens: %w", err)
	}
	return url, stop, nil
}

// answer is what is read of `headroom capacity --json`.
type answer struct {
	Capacity struct {
		Value     *float64 `json:"value"`
		Low       *float64 `json:"low"`
		High      *float64 `json:"high"`
		Confirmed *float64 `json:"confirmed"`
	} `json:"capacity_rps"`
	ElapsedS float64 `json:"elapsed_s"`
}

func (a answer) value() float64 {
	if a.Capacity.Value == nil {
		return 0
	}
	return *a.Capacity.Value
}

// holds says whether the printed range holds the truth.
func (a answer) holds(truth float64) bool {
	c := a.Capacity
	return c.Low != nil && *c.Low <= truth && (c.High == nil || truth <= *c.High)
}

func text(rps *float64) string {
	if rps == nil {
		return "none"
	}
	return strconv.FormatFloat(*rps, 'f', 1, 64)
}

// inconclusive is headroom's exit code where no rate held.
const inconclusive = 3

func search(ctx context.Context, headroom, url string, limit, maxTime time.Duration) (answer, error) {
	cmd := exec.CommandContext(ctx, headroom, "capacity", "--beside", "--url", url, "--slo", fmt.Sprintf("p99<%v", limit), "--max-time", maxTime.String(), "--json")
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != inconclusive) {
		return answer{}, fmt.Errorf("headroom capacity: %w: %s", err, talk.String())
	}
	var found answer
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		return answer{}, fmt.Errorf("headroom capacity printed no JSON: %w", err)
	}
	return found, nil
}
