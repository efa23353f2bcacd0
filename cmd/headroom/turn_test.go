// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"headroom/harness/machinelock"
)

// testLockVariable names the lock file of a test, for the processes that take
// turns with it.
const testLockVariable = "HEADROOM_TEST_LOCK"

// takeTestLock is takeMachine in the tests: without a lock of its own a test
// takes none.
func takeTestLock(ctx context.Context, what string, waits func(machinelock.Holder)) (*machinelock.Lock, error) {
	path := os.Getenv(testLockVariable)
	if path == "" {
		return nil, nil
	}
	return machinelock.Take(ctx, path, what, waits)
}

// measuring is a `headroom` process.
type measuring struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	lines  *bufio.Scanner // of stderr
	said   strings.Builder
}

// measure starts `headroom` under a test's lock. It is killed when the test
// ends, or takes too long.
func measure(t *testing.T, lock string, args ...string) *measuring {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	t.Cleanup(cancel)
	m := &measuring{cmd: exec.CommandContext(ctx, "headroom", args...)}
	m.cmd.Env = append(os.Environ(), testLockVariable+"="+lock)
	m.cmd.Stdout = &m.stdout
	stderr, err := m.cmd.StderrPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.lines = bufio.NewScanner(stderr)
	t.Cleanup(func() {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
	})
	return m
}

// says reads on until a line holds want, and returns it.
func (m *measuring) says(t *testing.T, want string) string {
	t.Helper()
	for m.lines.Scan() {
		fmt.Fprintln(&m.said, m.lines.Text())
		if strings.Contains(m.lines.Text(), want) {
			return m.lines.Text()
		}
	}
	t.Fatalf("%q never says %q:\n%s", m.cmd.Args, want, m.said.String())
	return ""
}

// end waits for the process.
func (m *measuring) end() (code int, stdout, stderr string) {
	for m.lines.Scan() {
		fmt.Fprintln(&m.said, m.lines.Text())
	}
	_ = m.cmd.Wait() // the exit code says it
	return m.cmd.ProcessState.ExitCode(), m.stdout.String(), m.said.String()
}

func (m *measuring) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// counting is a server, and how many requests it got.
func counting(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	return answering(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) }), requests
}

// holding is a drive that has the test's lock and goes on for long.
func holding(t *testing.T, lock string) (_ *measuring, url string) {
	t.Helper()
	url, _ = counting(t)
	m := measure(t, lock, "drive", "--url", url, "--rate", "10/s", "--duration", "10m")
	m.says(t, "driving ")
	return m, url
}

func lockFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "measuring.lock")
}

// Of two drives the second says whom it waits for, sends nothing until that one
// has ended, in order or not, and goes on then.
func TestDrivesTakeTurns(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]syscall.Signal{"ended": syscall.SIGINT, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lock := lockFile(t)
			first, firstURL := holding(t, lock)
			url, requests := counting(t)
			second := measure(t, lock, "drive", "--json", "--url", url, "--rate", "100/s", "--requests", "5")
			line := second.says(t, fmt.Sprintf("waiting for process %d (drive %s, since ", first.cmd.Process.Pid, firstURL))
			if !strings.Contains(line, "gives up after 2h0m0s") || !strings.Contains(line, "--beside would not wait") {
				t.Errorf("it does not say how long it waits, or how not to: %s", line)
			}
			if n := requests.Load(); n != 0 {
				t.Errorf("it sent %d requests while it waited", n)
			}
			first.signal(t, end)
			second.says(t, "the machine is free")
			code, stdout, stderr := second.end()
			d := readDriven(t, code, []byte(stdout), stderr)
			d.succeeded(t, 5)
			if d.Beside != "" || strings.Contains(d.text(), "its turn") {
				t.Errorf("it says that it was not alone: %q\n%s", d.Beside, d.text())
			}
			if n := requests.Load(); n != 5 {
				t.Errorf("the server got %d requests", n)
			}
		})
	}
}

// --beside waits for nobody, takes nobody's turn, and the results say it.
func TestBeside(t *testing.T) {
	t.Parallel()
	lock := lockFile(t)
	first, _ := holding(t, lock)
	url, _ := counting(t)
	const note = "did not wait for its turn (--beside): another measurement may have run beside it"
	code, stdout, stderr := measure(t, lock, "drive", "--json", "--url", url, "--rate", "100/s", "--requests", "5", "--beside").end()
	d := readDriven(t, code, []byte(stdout), stderr)
	d.succeeded(t, 5)
	if d.Beside != "--beside" || !strings.Contains(d.text(), "Beside     "+note) || strings.Contains(stderr, "waiting") {
		t.Errorf("beside %q, it says %s\n%s", d.Beside, stderr, d.text())
	}
	search := []string{"capacity", "--beside", "--url", unusedAddress(t), "--slo", "p99<50ms"}
	for _, more := range []string{"--json", "--json=false"} {
		_, stdout, stderr = measure(t, lock, append(search, more)...).end()
		if want := map[string]string{"--json": `"beside": "--beside"`, "--json=false": note}[more]; !strings.Contains(stdout, want) || strings.Contains(stderr, "waiting") {
			t.Errorf("%s does not say %q: %s%s", more, want, stdout, stderr)
		}
	}
	first.signal(t, syscall.SIGINT)
	if code, _, stderr := first.end(); code != exitInconclusive {
		t.Errorf("the first one had ended: exit code %d: %s", code, stderr)
	}
}

// serverPrograms is a PATH with programs that are only there to be asked for
// their versions.
func serverPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, version := range map[string]string{"postgres": "postgres (PostgreSQL) 17.6", "initdb": "", "valkey-server": "v=8.1", "haproxy": "HAProxy version 3.0"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+version+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return os.Getenv("PATH") + string(os.PathListSeparator) + dir
}

// Whatever measures waits its turn, and Ctrl-C ends the wait at once: nothing
// was measured, and nothing started.
func TestInterruptedWait(t *testing.T) {
	t.Setenv("PATH", serverPrograms(t))
	lock := lockFile(t)
	held, err := machinelock.Take(t.Context(), lock, "the test", func(h machinelock.Holder) { t.Errorf("waits for %v", h) })
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	url, requests := counting(t)
	out := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{
		{"drive", "--url", url},
		{"capacity", "--url", url, "--slo", "p99<50ms"},
		{"capacity", "phase3", "--stage", "process"},
		{"run", "phase3", "--quick", "--stage", "process", "--out", out},
	} {
		m := measure(t, lock, args...)
		m.says(t, fmt.Sprintf("waiting for process %d (the test, since ", os.Getpid()))
		m.signal(t, syscall.SIGINT)
		code, stdout, stderr := m.end()
		if code != exitInconclusive || stdout != "" || !strings.Contains(stderr, errNothingYet.Error()) {
			t.Errorf("%q: exit code %d, %q: %s", args, code, stdout, stderr)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("the run left %v, %v", left, err)
	}
}

// Where the lock can't be taken the measurement goes on, and says that nobody
// knows who else measured.
func TestTurnWithoutALock(t *testing.T) {
	t.Parallel()
	url, _ := counting(t)
	lock := filepath.Join(t.TempDir(), "none", "lock")
	code, stdout, stderr := measure(t, lock, "drive", "--json", "--url", url, "--rate", "100/s", "--requests", "5").end()
	d := readDriven(t, code, []byte(stdout), stderr)
	d.succeeded(t, 5)
	want := "the lock of this machine, " + lock + ", can't be taken: no such file or directory"
	if d.Beside != want || !strings.Contains(stderr, "warning: "+want) {
		t.Errorf("beside %q, it says %s; want %q", d.Beside, stderr, want)
	}
}

// The driver that a stage starts is part of the turn of whoever started it: it
// would wait for ever.
func TestTheDriverTakesNoTurn(t *testing.T) {
	t.Setenv(testLockVariable, filepath.Join(t.TempDir(), "none", "lock"))
	url, requests := counting(t)
	job := fmt.Sprintf(`{"targets":[{"method":"GET","url":%q}],"arrivals":"constant","rate_rps":100,"requests":5,"seed":1}`, url)
	var out, complaint bytes.Buffer
	if code := run(t.Context(), []string{"job"}, strings.NewReader(job), &out, &complaint); code != exitGood || complaint.Len() > 0 || requests.Load() != 5 {
		t.Errorf("exit code %d, %d requests, says %s", code, requests.Load(), complaint.String())
	}
}
