// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

func withDriver(t *testing.T, cpus float64) *Stage {
	t.Helper()
	s := openStage(t)
	if err := s.StartDriver(t.Context(), cpus); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExec(t *testing.T) {
	s := withDriver(t, 0.7)
	input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: more than a pipe holds
	stdout, err := s.Exec(t.Context(), input, "echo", "a b", "c")
	if err != nil || !bytes.Equal(stdout, input) {
		t.Errorf("%d bytes of stdout, error %v", len(stdout), err)
	}
	_, err = s.Exec(t.Context(), nil, "explode")
	if err == nil || !strings.Contains(err.Error(), `headroom explode: exit code 1; its last lines:`) || !strings.Contains(err.Error(), `unknown command "explode"`) {
		t.Errorf("a failing command: error %v", err)
	}
	// A command that leaves its stdin unread ends all the same.
	if _, err := s.Exec(t.Context(), input, "burn", "1ms"); err != nil {
		t.Error(err)
	}
	// The driver has the quota that it was promised, by the longest period.
	result, err := s.cli.ContainerInspect(t.Context(), s.driver.id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if limits := result.Container.HostConfig; limits.CPUQuota != 700_000 || limits.CPUPeriod != 1_000_000 {
		t.Errorf("limited to %d of %d us, want 0.7 CPUs by the second", limits.CPUQuota, limits.CPUPeriod)
	}
}

func TestExecWithoutADriver(t *testing.T) {
	if _, err := (&Stage{}).Exec(t.Context(), nil, "job"); err == nil || !strings.Contains(err.Error(), "StartDriver") {
		t.Errorf("error %v", err)
	}
}

func TestDriverCancelled(t *testing.T) {
	s := withDriver(t, 1)
	for _, test := range []struct{ manner, want string }{
		{"polite", "waiting\npartial result\n"},
		{"stubborn", "waiting\n"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		type result struct {
			stdout []byte
			err    error
		}
		done := make(chan result, 1)
		go func() {
			stdout, err := s.Exec(ctx, nil, "wait", test.manner)
			done <- result{stdout, err}
		}()
		eventually(t, "two processes in the driver's container", 10*time.Second, func() bool { return processes(t, s.driver) == 2 })
		cancel()
		select {
		case r := <-done:
			if !errors.Is(r.err, context.Canceled) || string(r.stdout) != test.want {
				t.Errorf("%s: stdout %q, error %v; want %q", test.manner, r.stdout, r.err, test.want)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("%s: Exec goes on after its context ended", test.manner)
		}
		eventually(t, "the command is gone", 5*time.Second, func() bool { return processes(t, s.driver) == 1 })
	}
	// The driver itself is as good as before.
	if _, err := s.Exec(t.Context(), nil, "echo"); err != nil {
		t.Error(err)
	}
}

// processes counts the container's processes whose name shows that they run
// their own program already, not yet the engine's helper.
func processes(t *testing.T, driver *driver) int {
	t.Helper()
	top, err := driver.stage.cli.ContainerTop(t.Context(), driver.id, client.ContainerTopOptions{Arguments: []string{"-o", "pid,args"}})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, row := range top.Processes {
		if strings.HasPrefix(row[len(row)-1], "headroom ") {
			count++
		}
	}
	return count
}
