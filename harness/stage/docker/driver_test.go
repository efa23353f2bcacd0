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

func startDriver(t *testing.T, cpus float64) *Driver {
	t.Helper()
	stage := openStage(t)
	driver, err := stage.StartDriver(t.Context(), cpus)
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func TestDriverRun(t *testing.T) {
	driver := startDriver(t, 1)
	input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: more than a pipe holds
	stdout, stderr, err := driver.Run(t.Context(), input, "echo", "a b", "c")
	if err != nil || !bytes.Equal(stdout, input) || string(stderr) != "a b c" {
		t.Errorf("%d bytes of stdout, stderr %q, error %v", len(stdout), stderr, err)
	}
	_, _, err = driver.Run(t.Context(), nil, "explode")
	if err == nil || !strings.Contains(err.Error(), `headroom explode: exit code 1: unknown command "explode"`) {
		t.Errorf("a failing command: error %v", err)
	}
	// A command that leaves its stdin unread ends all the same.
	if _, _, err := driver.Run(t.Context(), input, "burn", "1ms"); err != nil {
		t.Error(err)
	}
}

func TestDriverCancelled(t *testing.T) {
	driver := startDriver(t, 1)
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
			stdout, _, err := driver.Run(ctx, nil, "wait", test.manner)
			done <- result{stdout, err}
		}()
		eventually(t, "two processes in the driver's container", 10*time.Second, func() bool { return processes(t, driver) == 2 })
		cancel()
		select {
		case r := <-done:
			if !errors.Is(r.err, context.Canceled) || string(r.stdout) != test.want {
				t.Errorf("%s: stdout %q, error %v; want %q", test.manner, r.stdout, r.err, test.want)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("%s: Run goes on after its context ended", test.manner)
		}
		eventually(t, "the command is gone", 5*time.Second, func() bool { return processes(t, driver) == 1 })
	}
	// The driver itself is as good as before.
	if _, _, err := driver.Run(t.Context(), nil, "echo"); err != nil {
		t.Error(err)
	}
}

// processes counts the container's processes whose name shows that they run
// their own program already, not yet the engine's helper.
func processes(t *testing.T, driver *Driver) int {
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

func TestDriverUsage(t *testing.T) {
	driver := startDriver(t, 0.2)
	before, err := driver.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := driver.Run(t.Context(), nil, "burn", "2s"); err != nil {
		t.Fatal(err)
	}
	after, err := driver.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.ThrottledSeconds <= before.ThrottledSeconds || after.ThrottledPeriods <= before.ThrottledPeriods ||
		after.CPUSeconds <= before.CPUSeconds {
		t.Errorf("two seconds of burning at 0.2 CPU left no trace: %+v, then %+v", before, after)
	}
	// The quota is a share of every period, however long the machine took.
	periods := float64(after.Periods - before.Periods + 2)
	if allowed := periods * driverPeriod.Seconds() * 0.2; after.CPUSeconds-before.CPUSeconds > allowed*1.2 {
		t.Errorf("the quota does not hold: %+v, then %+v", before, after)
	}
}
