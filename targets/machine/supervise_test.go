// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"headroom/internal/child"
)

// script is a process made of a few lines of shell. It is ready once the file
// ready is there, or at once when none is named.
type script struct {
	text  string
	ready string
}

type scriptProgram struct{ script }

func (s scriptProgram) Command(context.Context) (*exec.Cmd, error) {
	return exec.Command("/bin/sh", "-c", s.text), nil
}

func (s scriptProgram) Ready(context.Context) error {
	if s.script.ready == "" {
		return nil
	}
	_, err := os.Stat(s.script.ready)
	return err
}

func (s scriptProgram) Close() {}

// preparingProgram prepares itself, and stops by another signal than most.
type preparingProgram struct {
	scriptProgram
	prepared func() error
}

func (s preparingProgram) Prepare(context.Context) error { return s.prepared() }

func (s preparingProgram) StopSignal() syscall.Signal { return syscall.SIGUSR1 }

// stage is one supervisor under test, running in the background.
type stage struct {
	super  *supervisor
	out    *bytes.Buffer
	cancel context.CancelFunc
	result chan error
}

func launch(t *testing.T, readyTimeout, stopTimeout time.Duration, programs ...namedProgram) *stage {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &bytes.Buffer{}
	s := &stage{
		super: &supervisor{out: child.NewSyncWriter(out), runner: &child.Runner{}, readyTimeout: readyTimeout, stopTimeout: stopTimeout},
		out:   out, cancel: cancel, result: make(chan error, 1),
	}
	go func() { s.result <- s.super.run(ctx, programs) }()
	return s
}

func (s *stage) awaitReady(t *testing.T) {
	t.Helper()
	until(t, "ready", func() bool { return s.super.ready() == nil })
}

func (s *stage) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.result:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the supervisor does not end")
		return nil
	}
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not %s within 20 s", what)
		}
		<-tick.C
	}
}

func appendTo(path, word string) string { return "echo " + word + " >> " + path }

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	member := func(name string) namedProgram {
		up := filepath.Join(dir, name)
		return namedProgram{name: name, Program: scriptProgram{script{
			text: "trap '" + appendTo(journal, name+"-down") + "; exit 0' TERM; " +
				appendTo(journal, name+"-up") + "; touch " + up + "; while :; do sleep 0.01; done",
			ready: up,
		}}}
	}
	s := launch(t, 20*time.Second, 20*time.Second, member("a"), member("b"), member("c"))
	s.awaitReady(t)
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Fatalf("a stop that was asked for gives %v", err)
	}
	got := strings.Join(lines(t, journal), " ")
	if want := "a-up b-up c-up c-down b-down a-down"; got != want {
		t.Errorf("order is %q, want %q", got, want)
	}
	if s.super.ready() == nil {
		t.Error("ready after the stop")
	}
}

// A program that prepares something does so before the next one starts, and gets the
// signal that it asks for.
func TestPreparesBeforeTheNextStarts(t *testing.T) {
	dir := t.TempDir()
	up, journal := filepath.Join(dir, "up"), filepath.Join(dir, "journal")
	first := namedProgram{name: "first", Program: preparingProgram{scriptProgram{script{ready: up,
		text: "trap '" + appendTo(journal, "told") + "; exit 0' USR1; touch " + up + "; while :; do sleep 0.01; done"}},
		func() error { return os.WriteFile(journal, []byte("settled\n"), 0o600) }}}
	done := filepath.Join(dir, "done")
	second := namedProgram{name: "second", Program: scriptProgram{script{ready: done,
		text: appendTo(journal, "second") + "; touch " + done + "; exec sleep 60"}}}
	s := launch(t, 20*time.Second, 20*time.Second, first, second)
	s.awaitReady(t)
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Fatalf("a stop that was asked for gives %v", err)
	}
	if got := strings.Join(lines(t, journal), " "); got != "settled second told" {
		t.Errorf("order is %q", got)
	}
}

func TestFailureToPrepareNamesTheProcess(t *testing.T) {
	s := launch(t, 20*time.Second, 20*time.Second, namedProgram{name: "cold", Program: preparingProgram{
		scriptProgram{script{text: "exec sleep 60"}}, func() error { return errors.New("no pages") }}})
	if err := s.wait(t); err == nil || !strings.Contains(err.Error(), "process cold: preparing it: no pages") {
		t.Errorf("error is %v", err)
	}
}

func TestDeathNamesTheProcessAndStopsTheOthers(t *testing.T) {
	dir := t.TempDir()
	journal, die, up := filepath.Join(dir, "journal"), filepath.Join(dir, "die"), filepath.Join(dir, "up")
	// Ready only with its trap: a shell that is stopped before has none.
	other := namedProgram{name: "other", Program: scriptProgram{script{ready: up,
		text: "trap '" + appendTo(journal, "other-down") + "; exit 0' TERM; touch " + up + "; while :; do sleep 0.01; done"}}}
	victim := namedProgram{name: "victim", Program: scriptProgram{script{
		text: "echo last words; while [ ! -e " + die + " ]; do sleep 0.01; done; exit 7"}}}
	s := launch(t, 20*time.Second, 20*time.Second, other, victim)
	s.awaitReady(t)
	if err := os.WriteFile(die, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.wait(t)
	if err == nil {
		t.Fatal("a death gives no error")
	}
	for _, want := range []string{"process victim died", "exit status 7", "victim | last words"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if got := lines(t, journal); len(got) != 1 {
		t.Errorf("the other process was not stopped: %q", got)
	}
}

func TestDeathDuringStartIsTheReason(t *testing.T) {
	s := launch(t, 20*time.Second, time.Second, namedProgram{name: "early", Program: scriptProgram{script{
		text: "echo no licence; exit 3", ready: filepath.Join(t.TempDir(), "never")}}})
	err := s.wait(t)
	if err == nil || !strings.Contains(err.Error(), "process early died: exit status 3") ||
		!strings.Contains(err.Error(), "no licence") {
		t.Errorf("error is %v", err)
	}
}

func TestReadyDeadlineShowsTheLog(t *testing.T) {
	s := launch(t, 300*time.Millisecond, 5*time.Second, namedProgram{name: "slow", Program: scriptProgram{script{
		text: "echo still loading; exec sleep 60", ready: filepath.Join(t.TempDir(), "never")}}})
	err := s.wait(t)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"process slow", "not ready within 300ms", "no such file", "slow | still loading"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

// slowProgram says how long it may take.
type slowProgram struct {
	scriptProgram
	within time.Duration
}

func (p slowProgram) ReadyTimeout() time.Duration { return p.within }

func TestReadyDeadlineOfAPatientProgram(t *testing.T) {
	s := launch(t, time.Hour, 5*time.Second, namedProgram{name: "own", Program: slowProgram{scriptProgram{script{
		text: "exec sleep 60", ready: filepath.Join(t.TempDir(), "never")}}, 200 * time.Millisecond}})
	if err := s.wait(t); err == nil || !strings.Contains(err.Error(), "not ready within 200ms") {
		t.Errorf("error is %v", err)
	}
}

// A question to a program that may take long may take long too, and is asked seldom.
func TestAskingOfAPatientProgram(t *testing.T) {
	for within, want := range map[time.Duration]time.Duration{2 * time.Second: 2 * time.Second, 5 * time.Minute: 10 * time.Second} {
		attempt, poll := namedProgram{Program: slowProgram{within: within}}.asking()
		if attempt != want || poll != 500*time.Millisecond {
			t.Errorf("within %v: %v for a question, each %v, want %v and 500ms", within, attempt, poll, want)
		}
	}
	if attempt, poll := (namedProgram{Program: fakeProgram{}}).asking(); attempt != attemptTimeout || poll != readyPoll {
		t.Errorf("another: %v for a question, each %v", attempt, poll)
	}
}

// A program is asked with the deadline of a question.
func TestAwaitReadyBoundsAQuestion(t *testing.T) {
	deadlines := make(chan time.Time, 1)
	p := observedProgram{Program: deadlineProgram{deadlines: deadlines}, counts: fakeProgram{}, within: time.Hour}
	super := &supervisor{}
	begin := time.Now()
	if err := super.awaitReady(t.Context(), namedProgram{name: "own", Program: p}); err != nil {
		t.Fatal(err)
	}
	if timeout := (<-deadlines).Sub(begin); timeout < slowAttemptTimeout {
		t.Errorf("the question had to be answered within %v, want %v at least", timeout, slowAttemptTimeout)
	}
}

// deadlineProgram is ready, and tells until when it had to be.
type deadlineProgram struct {
	fakeProgram
	deadlines chan<- time.Time
}

func (p deadlineProgram) Ready(ctx context.Context) error {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return errors.New("no deadline")
	}
	p.deadlines <- deadline
	return nil
}

func TestKillsTheWholeGroupAfterTheDeadline(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	s := launch(t, 20*time.Second, 200*time.Millisecond, namedProgram{name: "deaf", Program: scriptProgram{script{
		text:  "trap '' TERM; sleep 300 & echo $! > " + pidFile + ".half; mv " + pidFile + ".half " + pidFile + "; wait",
		ready: pidFile,
	}}})
	s.awaitReady(t)
	s.cancel()
	err := s.wait(t)
	if err == nil || !strings.Contains(err.Error(), "process deaf: did not stop within 200ms and was killed") {
		t.Errorf("error is %v", err)
	}
	pid := lines(t, pidFile)[0]
	until(t, "gone", func() bool { return hasEnded(t, pid) })
}

func TestStopWhileStartingIsNoError(t *testing.T) {
	dir := t.TempDir()
	up := filepath.Join(dir, "up")
	s := launch(t, 20*time.Second, 20*time.Second, namedProgram{name: "endless", Program: scriptProgram{script{
		text: "touch " + up + "; exec sleep 60", ready: filepath.Join(dir, "never")}}})
	until(t, "started", func() bool { _, err := os.Stat(up); return err == nil })
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Errorf("error is %v", err)
	}
}
