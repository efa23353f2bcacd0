// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"headroom/internal/host"
)

func TestRunToEnd(t *testing.T) {
	var out bytes.Buffer
	var runner Runner
	if err := runner.Run(t.Context(), exec.Command("/bin/sh", "-c", "echo hello"), Options{Name: "fine", Out: &out}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "fine | hello\n" {
		t.Errorf("output is %q", got)
	}
	err := runner.Run(t.Context(), exec.Command("/bin/sh", "-c", "echo why >&2; exit 2"), Options{Name: "bad", Out: &out})
	if err == nil || !strings.Contains(err.Error(), "process bad: exit status 2") || !strings.Contains(err.Error(), "bad | why") {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := runner.Run(ctx, exec.Command("sleep", "60"), Options{Name: "long"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if len(runner.pids) != 0 {
		t.Errorf("processes are still known: %v", runner.pids)
	}
}

// Only orphans are reaped: the exit status of the runner's own child is left for
// the child to tell.
func TestReapLeavesTheFamilyAlone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	isZombie := func() bool {
		processes, err := host.ReadProcesses()
		if err != nil {
			t.Fatal(err)
		}
		return processes[pid].State == 'Z'
	}
	for deadline := time.Now().Add(10 * time.Second); !isZombie(); {
		if time.Now().After(deadline) {
			t.Fatal("true does not end")
		}
		time.Sleep(time.Millisecond)
	}
	runner := Runner{pids: map[int]bool{pid: true}}
	runner.Reap([]int{pid})
	if !isZombie() {
		t.Error("the runner's own child was reaped")
	}
	delete(runner.pids, pid)
	runner.Reap([]int{pid})
	if isZombie() {
		t.Error("an orphan was left")
	}
}

// A child that ends well is dead all the same when it was not to end.
func TestDeath(t *testing.T) {
	var runner Runner
	c, err := runner.Start(exec.Command("true"), Options{Name: "true"})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if c.Err() != nil || c.Death() == nil || c.Death().Error() != "exit status 0" {
		t.Errorf("ended with %v, as a death %v", c.Err(), c.Death())
	}
}

func TestStartNamesWhatIsNotThere(t *testing.T) {
	var runner Runner
	for _, tied := range []bool{false, true} {
		_, err := runner.Start(exec.Command("/nonexistent/server"), Options{Name: "db", Tied: tied})
		if err == nil || !strings.Contains(err.Error(), "process db: starting /nonexistent/server") {
			t.Errorf("error %v", err)
		}
	}
	if len(runner.pids) != 0 {
		t.Errorf("processes are known that were never started: %v", runner.pids)
	}
}
