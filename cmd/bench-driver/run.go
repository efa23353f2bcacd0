// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"headroom/harness/record"
	"headroom/internal/host"
)

const (
	// maxOutput bounds what is kept of a tool's output.
	maxOutput = 1 << 20
	maxReason = 300
	// late is how long after its load's end a tool may go on.
	late = time.Minute
	// rssEvery is how often a tool's peak memory is read.
	rssEvery = 100 * time.Millisecond
	// rssSlackBytes is how far the kernel's counts of a process's memory may be
	// apart.
	rssSlackBytes = 1 << 20
	// exitUnusable is how headroom ends when its own figures can't be used:
	// that is a finding here, not a failure.
	exitUnusable = 3
)

// outcome is what a command used and, of our own driver, what it said.
type outcome struct {
	cpu     time.Duration
	rssMB   float64
	summary record.Summary
}

// run runs the tool on the given cores to its end.
func (t tool) run(ctx context.Context, l load, cores string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, l.length+late)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cores, t.program}, t.args(l)...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if t.stdin != nil {
		cmd.Stdin = strings.NewReader(t.stdin(l))
	}
	var stdout, stderr firstBytes
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return outcome{}, fmt.Errorf("%s: %w", t.name, err)
	}
	polled := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	o := outcome{}
	said := t.ours && json.Unmarshal(stdout.kept, &o.summary) == nil
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	o.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	own, _ := host.OwnPeakMemoryBytes()
	o.rssMB = float64(peakBytes(usage.Maxrss<<10, own, polled())) / (1 << 20)
	if said && cmd.ProcessState.ExitCode() == exitUnusable && o.summary.Sent > o.summary.Failed {
		return o, nil
	}
	if err != nil {
		return o, fmt.Errorf("%s over %s: %w: %s", t.name, l.name, err, reason(stderr.kept, stdout.kept))
	}
	if t.ours && !said {
		return o, fmt.Errorf("%s over %s: its output is not the JSON of a summary", t.name, l.name)
	}
	return o, nil
}

// firstBytes keeps the first maxOutput bytes that are written to it.
type firstBytes struct{ kept []byte }

func (b *firstBytes) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxOutput-len(b.kept))]...)
	return len(p), nil
}

// reason is what a tool said of its failure, in one line that is not long.
func reason(stderr, stdout []byte) string {
	said := stderr
	if len(bytes.TrimSpace(said)) == 0 {
		said = stdout
	}
	text := strings.Join(strings.Fields(string(said)), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

// peakBytes is the peak resident memory of a command. The kernel's figure at its end is
// exact, but a process inherits the figure over exec from us who started it. A figure
// up to our own peak may be ours: then the readings while the command ran count.
func peakBytes(atEnd, own, polled int64) int64 {
	if atEnd > own+rssSlackBytes {
		return atEnd
	}
	return polled
}

// watchPeak reads a process's peak memory until the result is asked for.
func watchPeak(pid int) (peak func() int64) {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		ticker := time.NewTicker(rssEvery)
		defer ticker.Stop()
		latest := int64(0) // and not the largest: exec starts anew
		for {
			if read, err := host.PeakMemoryBytes(pid); err == nil { // else it has ended
				latest = read
			}
			select {
			case <-stop:
				result <- latest
				return
			case <-ticker.C:
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}

// watchCore begins to watch a core; busy tells how much of the time since then it
// was not idle, 0 where the kernel does not say.
func watchCore(core string) (busy func() float64) {
	number, _ := strconv.Atoi(core) // cannot fail: a constant of ours
	start, err := host.ReadCoreTime(number)
	return func() float64 {
		end, errEnd := host.ReadCoreTime(number)
		if err != nil || errEnd != nil {
			return 0
		}
		return end.Since(start).BusyShare()
	}
}

// interrupted is an error when the run, and with it the tool, was ended.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return errors.New("interrupted: what is printed are the tables that were finished")
}
