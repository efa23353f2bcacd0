// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"headroom/harness/observe"
	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
)

// The whole life of two systems at once: they find their own, answer with their
// own nonce, are counted without a cgroup, and end.
func TestLifecycle(t *testing.T) {
	s := openStage(t)
	var systems []stage.System
	for _, v := range scenarios.Variants() {
		sys, err := s.Start(t.Context(), stage.Request{Variant: v, Topology: pair(nil)})
		if err != nil {
			t.Fatal(err)
		}
		systems = append(systems, sys)
	}
	for i, sys := range systems {
		response, err := http.Get(sys.EntryURL("") + "/health")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		machines := sys.Machines()
		if len(machines) != 2 || machines[0].Name != "front" || machines[1].Group != "back" || !machines[1].External {
			t.Errorf("machines %+v", machines)
		}
		for _, m := range machines {
			checkCounters(t, m)
			other := systems[1-i].Machines()[0].Agent.Nonce
			if _, err := observe.Read(t.Context(), m.Agent.AgentURL, other); !errors.Is(err, observe.ErrWrongNonce) {
				t.Errorf("another system's nonce gives %v", err)
			}
		}
	}
	if n := len(belonging(t, s.folder)); n != 8 {
		t.Errorf("%d processes, want a machine and its process 4 times", n)
	}
	for range 2 {
		if err := systems[0].Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := len(belonging(t, s.folder)); n != 4 {
		t.Errorf("%d processes after the first system's end, want the second's 4", n)
	}
	// The second is left running: the stage's Close has to stop it.
}

func checkCounters(t *testing.T, m stage.Machine) {
	t.Helper()
	c, err := observe.Read(t.Context(), m.Agent.AgentURL, m.Agent.Nonce)
	if err != nil {
		t.Fatal(err)
	}
	if c.Machine != m.Name || len(c.Errors) > 0 || len(c.Processes) != 1 {
		t.Fatalf("machine %s: counters %+v", m.Name, c)
	}
	p := c.Processes[0]
	rss := p.RSSBytes.OrNaN()
	if !(rss > 0) || !(c.MemoryBytes.OrNaN() > rss) || !(c.CPUSecondsTotal.OrNaN() >= p.CPUSecondsTotal.OrNaN()) {
		t.Errorf("machine %s: %+v is not its process and its agent together", m.Name, c)
	}
}

func TestFailedStarts(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		timeout  time.Duration
		want     []string
	}{
		{"ends", map[string]string{"delay": "soon"}, 30 * time.Second,
			[]string{"start before: machine back died at ", "exit status 1; its last lines:", `"soon" is not a time`}},
		{"never ready", map[string]string{"ready": "never"}, time.Second,
			[]string{"machine back: not ready after 1s", "connection refused", "the process waits for Godot"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := openStage(t)
			_, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: pair(test.settings), ReadyTimeout: test.timeout})
			if err == nil {
				t.Fatal("it started")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error without %q:\n%v", part, err)
				}
			}
			checkEmpty(t, s)
		})
	}
}

// A machine dies while another waits for what will never come: the one that died
// is named, with its last words, and at once.
func TestDeathWhileOthersStart(t *testing.T) {
	s := openStage(t)
	topology := pair(map[string]string{"dies": "when it is told"})
	topology.Machines[0].Processes[0].Settings["kills"] = "back"
	topology.Machines[0].Processes[0].Settings["ready"] = "never"
	began := time.Now()
	_, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: topology, ReadyTimeout: time.Minute})
	if err == nil {
		t.Fatal("it started")
	}
	if text := err.Error(); !strings.HasPrefix(text, "start before: machine back died at ") || !strings.Contains(text, "exit status 3") ||
		!strings.Contains(text, "the disk is full") || strings.Contains(text, "front") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it is said after %v", took)
	}
	if err := os.Remove(filepath.Join(s.folder, "die")); err != nil {
		t.Errorf("front was never started: %v", err)
	}
	checkEmpty(t, s)
}

// A machine of a running system that dies is told, with how it ended. What Close
// stops has not died.
func TestDeathOfARunningMachine(t *testing.T) {
	s := openStage(t)
	sys, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: pair(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if deaths := sys.Deaths(); len(deaths) != 0 {
		t.Errorf("deaths of a system that runs: %v", deaths)
	}
	sys.(*System).machines[1].child.Kill()
	eventually(t, "a death is known", 10*time.Second, func() bool { return len(sys.Deaths()) > 0 })
	if err := sys.Close(t.Context()); err != nil {
		t.Error(err)
	}
	deaths := sys.Deaths()
	if len(deaths) != 1 || deaths[0].Machine != "back" || !strings.Contains(deaths[0].Error(), "signal: killed") || time.Since(deaths[0].At) > time.Minute {
		t.Errorf("deaths %v", deaths)
	}
}

// checkEmpty demands that only the run's own folder and its lock are left.
func checkEmpty(t *testing.T, s *Stage) {
	t.Helper()
	if pids := belonging(t, s.folder); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
	entries, err := os.ReadDir(s.folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestRefusedStarts(t *testing.T) {
	s := openStage(t)
	noEntry, database := pair(nil), pair(nil)
	noEntry.Entry = "front/web"
	database.Machines[1].Processes[0] = processOf("postgres", nil)
	database.Machines[1].Processes[0].Seed = []string{"make", "it"}
	for want, topology := range map[string]scenarios.Topology{`no process "web"`: noEntry, "EnsureDataset": database} {
		if _, err := s.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: topology}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	checkEmpty(t, s)
}

// A Ctrl-C while machines start: Start returns the context's error and nothing
// stays.
func TestCancelledStart(t *testing.T) {
	s := openStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.Start(ctx, stage.Request{Variant: scenarios.After, Topology: pair(map[string]string{"ready": "never"})})
		done <- err
	}()
	eventually(t, "a machine runs", 10*time.Second, func() bool { return len(belonging(t, s.folder)) > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	checkEmpty(t, s)
}

func TestFailedSeed(t *testing.T) {
	s := openStage(t)
	err := s.EnsureDataset(t.Context(), scenarios.Dataset{Process: scenarios.Process{Name: "postgres", Kind: "postgres", Port: 5432, Seed: []string{"make", "it"}}})
	if err == nil || !strings.Contains(err.Error(), stage.DatasetPrefix) || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("error %v, want the folder and the log", err)
	}
}

func TestDrive(t *testing.T) {
	s := openStage(t)
	if out, err := s.Exec(t.Context(), []byte("the job"), "echo"); err != nil || string(out) != "the job" {
		t.Errorf("answers %q, %v", out, err)
	}
	if _, err := s.Exec(t.Context(), nil, "fail"); err == nil || !strings.Contains(err.Error(), `unknown command "fail"`) {
		t.Errorf("error %v, want the end of its stderr", err)
	}
}

// A driver that is interrupted still says what it has.
func TestInterruptedDrive(t *testing.T) {
	s := openStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := s.Exec(ctx, nil, "wait")
		done <- result{out, err}
	}()
	eventually(t, "the driver waits", 10*time.Second, func() bool {
		_, err := os.Stat(filepath.Join(s.folder, "waiting"))
		return err == nil
	})
	cancel()
	if r := <-done; !errors.Is(r.err, context.Canceled) || string(r.out) != "so far and no further" {
		t.Errorf("answers %q, %v", r.out, r.err)
	}
}

// The owner is killed with SIGKILL: its machines end by themselves, and the
// next Open removes the folder.
func TestKilledOwner(t *testing.T) {
	cache := cacheDir(t)
	folder, _ := killOwner(t, cache, false)
	eventually(t, "no process is left", 15*time.Second, func() bool { return len(belonging(t, folder)) == 0 })
	reopen(t, cache, folder)
}

// A machine is killed together with the owner, so nobody stops its process:
// the kernel tells it, or the next Open finds it.
func TestKilledOwnerAndMachine(t *testing.T) {
	cache := cacheDir(t)
	folder, _ := killOwner(t, cache, true)
	reopen(t, cache, folder)
}

func killOwner(t *testing.T, cache string, withMachine bool) (folder string, machinePID int) {
	t.Helper()
	owner := exec.Command(os.Args[0], "own", cache)
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the owner says %q, %v", line, err)
	}
	if _, err := fmt.Sscan(line, &folder, &machinePID); err != nil {
		t.Fatal(err)
	}
	if n := len(belonging(t, folder)); n != 4 {
		t.Errorf("%d processes before, want 4", n)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if withMachine {
		if err := syscall.Kill(machinePID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := owner.Wait(); err == nil {
		t.Error("the owner ended well")
	}
	return folder, machinePID
}

func reopen(t *testing.T, cache, folder string) {
	t.Helper()
	s, err := Open(t.Context(), Options{CacheDir: cache, Progress: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	checkGone(t, folder)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Of the cache's folders only those of dead runs go, and of processes only
// those that belong to one.
func TestSweepSparesTheLiving(t *testing.T) {
	alive := openStage(t)
	cache := alive.options.CacheDir
	sys, err := alive.Start(t.Context(), stage.Request{Variant: scenarios.Before, Topology: pair(nil)})
	if err != nil {
		t.Fatal(err)
	}
	dead, other := filepath.Join(cache, runPrefix+"dead"), filepath.Join(cache, "mine")
	for _, dir := range []string{dead, other} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	orphan, bystander := sleeper(t, child.EnvFolder+"="+dead+"/1"), sleeper(t, "MY_FOLDER="+dead)
	removed, err := sweepThen(t.Context(), cache, func() error { return nil })
	if err != nil || !slices.Equal(removed, []string{dead + " and its 1 processes"}) {
		t.Errorf("removed %q, %v", removed, err)
	}
	select {
	case <-orphan:
	case <-time.After(5 * time.Second):
		t.Error("the dead run's process still runs")
	}
	select {
	case <-bystander:
		t.Error("another's process was stopped")
	default:
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	if _, err := observe.Read(t.Context(), sys.Machines()[0].Agent.AgentURL, sys.Machines()[0].Agent.Nonce); err != nil {
		t.Errorf("the living run: %v", err)
	}
}

// sleeper starts a process with a variable in its environment, and returns what
// is closed when it ends.
func sleeper(t *testing.T, variable string) <-chan struct{} {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.Env = append(os.Environ(), variable)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return done
}

func TestOpenRefusesALongCacheName(t *testing.T) {
	cache := filepath.Join(cacheDir(t), strings.Repeat("x", maxFolderBytes))
	if _, err := Open(t.Context(), Options{CacheDir: cache}); err == nil || !strings.Contains(err.Error(), "XDG_CACHE_HOME") {
		t.Errorf("error %v, want the remedy", err)
	}
}
