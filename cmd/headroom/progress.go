// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"headroom/scenarios"
)

// progress says on stderr what is being done now and how long it will take:
// on a terminal one line that counts down, elsewhere a plain line a step.
type progress struct {
	out      io.Writer
	terminal bool
	started  time.Time

	mu    sync.Mutex
	stop  chan struct{} // ends the current step's countdown
	done  sync.WaitGroup
	steps []timedStep
}

// timedStep is a step that was begun; it lasts until the next begins.
type timedStep struct {
	what  string
	begun time.Time
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: isTerminal(out), started: time.Now()}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd()) && os.Getenv("TERM") != "dumb"
}

// Begin starts a step that takes about that long.
func (p *progress) Begin(what string, about time.Duration) {
	p.End()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, timedStep{what, time.Now()})
	if !p.terminal {
		fmt.Fprintf(p.out, "%s %s (about %s)\n", p.clock(), what, about.Round(time.Second))
		return
	}
	stop := make(chan struct{})
	p.stop = stop
	p.done.Go(func() { p.countDown(what, about, stop) })
}

// countDown redraws the step's line until it is stopped.
func (p *progress) countDown(what string, about time.Duration, stop chan struct{}) {
	begun := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		left := (about - time.Since(begun)).Round(time.Second)
		eta := fmt.Sprintf("%s left", left)
		if left <= 0 {
			eta = "any moment"
		}
		fmt.Fprintf(p.out, "\r\x1b[K%s %s … %s", p.clock(), what, eta)
		select {
		case <-stop:
			fmt.Fprintf(p.out, "\r\x1b[K%s %s: %.1f s\n", p.clock(), what, time.Since(begun).Seconds())
			return
		case <-tick.C:
		}
	}
}

// seeding begins the step in which a dataset is made.
func (p *progress) seeding(d scenarios.Dataset) {
	p.Begin(fmt.Sprintf("dataset: %s (made once, then reused)", d.Command()), 2*time.Second)
}

// Note prints one line that stays.
func (p *progress) Note(format string, args ...any) {
	p.End()
	fmt.Fprintf(p.out, "%s %s\n", p.clock(), fmt.Sprintf(format, args...))
}

// End finishes the current step, if any.
func (p *progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		close(p.stop)
		p.done.Wait()
		p.stop = nil
	}
}

// Write makes each line that others print (the image build, the stage) a note.
func (p *progress) Write(data []byte) (int, error) {
	p.Note("%s", trimNewline(data))
	return len(data), nil
}

func trimNewline(data []byte) string {
	for len(data) > 0 && data[len(data)-1] == '\n' {
		data = data[:len(data)-1]
	}
	return string(data)
}

// clock is the time since the command began.
func (p *progress) clock() string {
	elapsed := time.Since(p.started).Round(time.Second)
	return fmt.Sprintf("[%d:%02d]", int(elapsed.Minutes()), int(elapsed.Seconds())%60)
}

// numbers are the parts in which two steps of one kind differ.
var numbers = regexp.MustCompile(`block \d+ of \d+: |[\d.,]+`)

// writeTimings prints how long the steps of each kind took together.
func (p *progress) writeTimings() {
	p.mu.Lock()
	defer p.mu.Unlock()
	took, times := map[string]time.Duration{}, map[string]int{}
	var kinds []string
	for i, s := range p.steps {
		end := time.Now()
		if i+1 < len(p.steps) {
			end = p.steps[i+1].begun
		}
		kind := strings.Join(strings.Fields(numbers.ReplaceAllString(s.what, "")), " ")
		if times[kind]++; times[kind] == 1 {
			kinds = append(kinds, kind)
		}
		took[kind] += end.Sub(s.begun)
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(took[b], took[a]) })
	fmt.Fprintf(p.out, "where %s went:\n", p.clock())
	for _, kind := range kinds {
		fmt.Fprintf(p.out, "%7.1f s  %3dx  %s\n", took[kind].Seconds(), times[kind], kind)
	}
}
