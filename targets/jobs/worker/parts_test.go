// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"headroom/scenarios"
	"headroom/targets/jobs"
	kind "headroom/targets/kinds/worker"
	"headroom/targets/machine/spec"
)

func TestSequence(t *testing.T) {
	s := newSequence()
	for _, step := range []struct {
		publisher string
		seq       int64
		late      bool
	}{
		{"a", 1, false}, {"a", 4, false}, {"b", 2, false}, {"a", 3, true}, {"a", 4, false}, {"a", 5, false}, {"b", 1, true},
	} {
		if got := s.outOfOrder(step.publisher, step.seq); got != step.late {
			t.Errorf("%s %d: late is %v", step.publisher, step.seq, got)
		}
	}
}

func TestSequenceIsBounded(t *testing.T) {
	s := newSequence()
	for i := range 2 * maxPublishers {
		s.outOfOrder(strconv.Itoa(i), 2)
	}
	if len(s.last) != maxPublishers || !s.outOfOrder("0", 1) || s.outOfOrder(strconv.Itoa(2*maxPublishers-1), 1) {
		t.Errorf("%d publishers are remembered", len(s.last))
	}
}

func TestPauseBefore(t *testing.T) {
	for attempt, want := range map[uint64]time.Duration{1: minBackoff, 2: 2 * minBackoff, 3: 4 * minBackoff, 6: 8 * time.Second, 7: maxBackoff, 1 << 60: maxBackoff} {
		if got := backoff(attempt); got != want {
			t.Errorf("attempt %d: %v, want %v", attempt, got, want)
		}
	}
}

// An image uses the CPU time that it says, not less.
func TestBurn(t *testing.T) {
	const work = 3 * time.Millisecond
	before := processTime(t)
	if err := burn(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	if used := processTime(t) - before; used < work {
		t.Errorf("used %v of CPU time, want at least %v", used, work)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := burn(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func processTime(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

func process() spec.Process {
	return spec.Process{Name: "w", Kind: "worker", Port: 8026,
		Settings: map[string]string{"jobs": "all", "idempotent": "yes", "image_work": "5ms"},
		Links:    map[scenarios.Role][]string{"queue": {"q:4222"}, "cache": {"c:6379"}, "mail": {"m:8025"}}}
}

func TestConfigFromProcess(t *testing.T) {
	c, err := ConfigFromProcess(process())
	if err != nil || c.Listen != ":8026" || c.Queue != "q:4222" || c.Cache != "c:6379" || c.Mail != "http://m:8025" ||
		len(c.Jobs) != 3 || !c.Idempotent || c.ImageWork != 5*time.Millisecond {
		t.Errorf("%+v, %v", c, err)
	}
	one := process()
	one.Settings["jobs"], one.Settings["idempotent"] = "image", "no"
	if c, err := ConfigFromProcess(one); err != nil || len(c.Jobs) != 1 || c.Jobs[0] != jobs.Image || c.Idempotent {
		t.Errorf("%+v, %v", c, err)
	}
	for name, value := range map[string]string{"jobs": "some", "idempotent": "maybe", "image_work": "1h"} {
		bad := process()
		bad.Settings[name] = value
		if _, err := ConfigFromProcess(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %q: %v", name, value, err)
		}
	}
}

// What the kind says that a worker counts is among what the worker tells.
func TestKindCountsWhatIsTold(t *testing.T) {
	told := counters(nil)
	for _, c := range kind.Kind().Facts.Counters {
		name := c.Key
		if c.Total {
			name += "_total"
		}
		if told[name] == nil {
			t.Errorf("the worker does not tell %s", name)
		}
	}
}
