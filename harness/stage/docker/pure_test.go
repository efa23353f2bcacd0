// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"headroom/internal/child"
)

func TestQuotaFor(t *testing.T) {
	tests := []struct {
		cpus   float64
		period time.Duration
		want   cpuQuota
	}{
		{1, testPeriod, cpuQuota{10000, 10000}},
		{0.1, testPeriod, cpuQuota{1000, 10000}},
		{0.25, testPeriod, cpuQuota{2500, 10000}},
		{0.05, testPeriod, cpuQuota{1000, 20000}}, // the period stretches
		{0.001, testPeriod, cpuQuota{1000, 1e6}},  // to the kernel's longest
		{0.2, 100 * time.Millisecond, cpuQuota{20000, 100000}},
		{1.5, time.Microsecond, cpuQuota{1500, 1000}}, // the kernel's shortest
	}
	for _, test := range tests {
		got, err := quotaFor(test.cpus, test.period)
		if err != nil || got != test.want {
			t.Errorf("quotaFor(%v, %v) = %+v, %v; want %+v", test.cpus, test.period, got, err, test.want)
		}
	}
	for _, cpus := range []float64{0, -1, 0.0009, math.NaN(), math.Inf(1)} {
		if got, err := quotaFor(cpus, testPeriod); err == nil {
			t.Errorf("quotaFor(%v) = %+v, want an error", cpus, got)
		}
	}
	// The stage has no period of its own beside the one that is recorded.
	for _, period := range []time.Duration{0, -time.Millisecond} {
		if got, err := quotaFor(1, period); err == nil || !strings.Contains(err.Error(), "needs a period") {
			t.Errorf("quotaFor(1, %v) = %+v, %v; want an error", period, got, err)
		}
	}
}

// The kernel takes every limit, and it is within 1% of what was asked for.
func TestQuotaForIsWhatTheKernelTakes(t *testing.T) {
	property := func(share uint16, periodMicros uint32) bool {
		cpus := 0.001 + float64(share)/1000
		q, err := quotaFor(cpus, time.Duration(periodMicros)*time.Microsecond+1)
		return err == nil && q.quotaMicros >= 1000 && q.periodMicros >= 1000 && q.periodMicros <= 1e6 &&
			math.Abs(q.cpus()/cpus-1) < 0.01
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestOwnerIsDead(t *testing.T) {
	me := child.Owner{PID: 100, Start: "5000", Namespace: "pid:[1]", Boot: "boot-2", Host: "here"}
	started := func(pid int) (string, error) {
		switch pid {
		case 100:
			return "5000", nil
		case 200:
			return "", errors.New("permission denied")
		}
		return "", fmt.Errorf("read: %w", fs.ErrNotExist)
	}
	with := func(changes map[string]string) map[string]string {
		labels := labelsOf(me, "run", nil)
		maps.Copy(labels, changes)
		return labels
	}
	tests := []struct {
		name   string
		labels map[string]string
		want   bool
	}{
		{"alive", with(nil), false},
		{"gone", with(map[string]string{labelPID: "101"}), true},
		{"pid reused", with(map[string]string{labelPIDStart: "4000"}), true},
		{"cannot be read", with(map[string]string{labelPID: "200"}), false},
		{"before the last boot", with(map[string]string{labelBoot: "boot-1"}), true},
		{"of another host", with(map[string]string{labelBoot: "boot-1", labelHost: "there"}), false},
		{"of another pid namespace", with(map[string]string{labelPID: "101", labelPIDSpace: "pid:[2]"}), false},
		{"owner did not know its start", with(map[string]string{labelPID: "101", labelPIDStart: ""}), false},
		{"no owner", map[string]string{labelOurs: "1"}, false},
		{"not a pid", with(map[string]string{labelPID: "-1"}), false},
	}
	for _, test := range tests {
		if got := ownerOf(test.labels).IsDead(me, started); got != test.want {
			t.Errorf("%s: dead = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestStartTimeTellsTheLivingFromTheDead(t *testing.T) {
	me := child.CurrentOwner()
	if me.Start == "" || me.Boot == "" || me.Namespace == "" {
		t.Skipf("no /proc here: %+v", me)
	}
	labels := labelsOf(deadOwner(t), "run", nil)
	if !ownerOf(labels).IsDead(me, child.StartOf) {
		t.Error("a child that has exited counts as alive")
	}
	if ownerOf(labelsOf(me, "run", nil)).IsDead(me, child.StartOf) {
		t.Error("this process counts as dead")
	}
}

// deadOwner returns a process of ours that has exited.
func deadOwner(t *testing.T) child.Owner {
	t.Helper()
	ended := exec.Command("cat") // waits for the end of its stdin
	stdin, err := ended.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	dead := child.CurrentOwner()
	dead.PID = ended.Process.Pid
	dead.Start, err = child.StartOf(dead.PID)
	stdin.Close()
	if waitErr := ended.Wait(); err != nil || waitErr != nil {
		t.Fatal(err, waitErr)
	}
	return dead
}

func TestExplainNetwork(t *testing.T) {
	for _, text := range []string{
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
		"all predefined address pools have been fully subnetted",
	} {
		if err := explainNetwork(errors.New(text)); !strings.Contains(err.Error(), "headroom clean") {
			t.Errorf("no remedy in %q", err)
		}
	}
	if err := explainNetwork(errors.New("plugin bridge not found")); strings.Contains(err.Error(), "headroom clean") {
		t.Errorf("a remedy that does not help in %q", err)
	}
}

func TestCheckLocal(t *testing.T) {
	for host, ok := range map[string]bool{
		"unix:///var/run/docker.sock": true,
		"tcp://127.0.0.1:2375":        true,
		"tcp://localhost:2375":        true,
		"tcp://192.0.2.1:2375":        false,
		"ssh://somebody@build":        false,
	} {
		if err := checkLocal(host); (err == nil) != ok {
			t.Errorf("checkLocal(%s) = %v", host, err)
		}
	}
}

func TestConnectWithoutEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	_, err := Connect(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "start it") {
		t.Errorf("error %v: want ErrUnavailable with a remedy", err)
	}
	_, err = Open(t.Context(), Options{RunID: "r", Image: "i"})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("Open: error %v: want ErrUnavailable", err)
	}
}

func TestUnavailableNamesTheGroup(t *testing.T) {
	err := unavailable(errors.New("permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"))
	if !strings.Contains(err.Error(), "usermod -aG docker") {
		t.Errorf("no remedy in %q", err)
	}
}

func TestOpenRefusesBadRunIDs(t *testing.T) {
	for _, id := range []string{"", "-a", "a/b", "a b", strings.Repeat("a", 61)} {
		if _, err := Open(t.Context(), Options{RunID: id}); err == nil || !strings.Contains(err.Error(), "run id") {
			t.Errorf("run id %q: error %v", id, err)
		}
	}
}

func TestParseVersions(t *testing.T) {
	got, err := parseVersions(strings.NewReader("postgresql-17 17.6-0+deb13u1\n\nvalkey-server 8.1.1-1\n"))
	want := map[string]string{"postgresql-17": "17.6-0+deb13u1", "valkey-server": "8.1.1-1"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := parseVersions(strings.NewReader("a 1\nb\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want line 2", err)
	}
}

func TestReapDoesNothingForACleanOwner(t *testing.T) {
	// An engine that does not answer would make it fail.
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	if err := Reap(t.Context(), "r", strings.NewReader(cleanedUp)); err != nil {
		t.Error(err)
	}
	if err := Reap(t.Context(), "r", strings.NewReader("")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a dead owner's run was not looked for: %v", err)
	}
}

func TestReapEndsWithItsContext(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	ctx, cancel := contextThatIsOver(t)
	defer cancel()
	if err := Reap(ctx, "r", reader); !errors.Is(err, ctx.Err()) {
		t.Errorf("error %v, want %v", err, ctx.Err())
	}
}
