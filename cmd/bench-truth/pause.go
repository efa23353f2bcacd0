// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
)

// pause is when before's database stood still, and which trials that met.
type pause struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	Trials  []string  `json:"trials"`
	// Met says that a step or slice of before was measured meanwhile: without one
	// the run shows nothing.
	Met bool `json:"met"`
}

// pauseFor is how long before's database stands still.
const pauseFor = 3 * time.Second

// The moment of a pause: at most latestPause after before's first step of the first
// block, which leaves some 40 s to the last slice, and at most deepestPause into the
// step that it meets.
const (
	latestPause  = 240 * time.Second
	deepestPause = 1500 * time.Millisecond
)

// moment is when a pause begins: so far into the first step or slice of before that
// begins so long after before's first step. While the other variant is loaded a pause
// would show nothing.
type moment struct{ after, into time.Duration }

func drawMoment(seed uint64) moment {
	random := rand.New(rand.NewPCG(seed, 0x7061757365)) // "pause"
	return moment{time.Duration(random.Float64() * float64(latestPause)), time.Duration(random.Float64() * float64(deepestPause))}
}

// announced matches what headroom prints when a staircase's step or a slice of
// before begins. Block 0 leads to the capacity and counts for nothing.
var announced = regexp.MustCompile(`\] block [1-9]\d* of \d+: (staircase of )?before at `)

// pauser reads what headroom prints, and pauses at its moment, once.
type pauser struct {
	rest  []byte        // of a line that is not whole yet
	steps chan struct{} // one for each step or slice of before
	done  chan struct{}
	stop  context.CancelFunc

	began, ended time.Time
	err          error
}

// halt stops before's database for pauseFor and says when.
type halt func(ctx context.Context) (began, ended time.Time, err error)

func startPauser(ctx context.Context, m moment, halt halt) *pauser {
	ctx, stop := context.WithCancel(ctx)
	p := &pauser{steps: make(chan struct{}, 1), done: make(chan struct{}), stop: stop}
	go func() {
		defer close(p.done)
		p.began, p.ended, p.err = p.wait(ctx, m, halt)
	}()
	return p
}

var errNoPause = errors.New("the run ended before the moment of its pause, or headroom announces its steps in other words")

func (p *pauser) wait(ctx context.Context, m moment, halt halt) (began, ended time.Time, err error) {
	var due time.Time
	for {
		select {
		case <-ctx.Done():
			return began, ended, errNoPause
		case <-p.steps:
		}
		now := time.Now()
		if due.IsZero() {
			due = now.Add(m.after)
		}
		if now.Before(due) {
			continue
		}
		select {
		case <-ctx.Done():
			return began, ended, errNoPause
		case <-time.After(m.into):
		}
		return halt(ctx)
	}
}

// Write takes what headroom prints. It never waits.
func (p *pauser) Write(data []byte) (int, error) {
	p.rest = append(p.rest, data...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		p.rest = rest
		if announced.Match(line) {
			select {
			case p.steps <- struct{}{}:
			default: // the pause is under way, or over
			}
		}
	}
}

// end is called when the run has ended; then nothing stands still any more.
func (p *pauser) end() error {
	p.stop()
	<-p.done
	return p.err
}

// haltDatabase stops the database of before of the run in a folder.
func haltDatabase(dir string) halt {
	return func(ctx context.Context) (began, ended time.Time, err error) {
		id, err := runID(dir)
		if err != nil {
			return began, ended, err
		}
		cli, err := docker.Connect(ctx)
		if err != nil {
			return began, ended, err
		}
		defer cli.Close()
		return docker.Pause(ctx, cli, id, scenarios.Before, "database", pauseFor)
	}
}

// runID reads the first line of a trials file that is still being written.
func runID(dir string) (string, error) {
	path := filepath.Join(dir, record.FileName)
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	var line record.Line
	if err := json.NewDecoder(io.LimitReader(file, 1<<20)).Decode(&line); err != nil || line.Run == nil {
		return "", fmt.Errorf("%s:1: holds no run: %w", path, errors.Join(err, errors.New("is it a trials file?")))
	}
	return line.Run.ID, nil
}

// pauseOf says which trials a time met. A trial lasts from its first request that
// was due to its last.
func pauseOf(began, ended time.Time, trials []record.Trial) *pause {
	p := &pause{At: began.UTC(), Seconds: ended.Sub(began).Seconds(), Trials: []string{}}
	for _, t := range trials {
		if from, to := span(t); from.Before(ended) && to.After(began) {
			p.Trials = append(p.Trials, fmt.Sprintf("block %d, %s of %s", t.Block, t.RateName, t.Variant))
			p.Met = p.Met || t.Variant == scenarios.Before
		}
	}
	return p
}

// span is when a trial's load began and ended.
func span(t record.Trial) (from, to time.Time) {
	m := t.Measurement
	from = m.Began
	if from.IsZero() {
		from = t.StartedAt
	}
	return from, from.Add(time.Duration((m.WarmupS + m.DurationS) * float64(time.Second)))
}
