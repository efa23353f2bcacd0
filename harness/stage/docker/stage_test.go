// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// tiers is an entry, two apps, a database and an external machine.
func tiers() scenarios.Topology {
	app := func(name string) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: "app", VCPU: 2, MemoryGiB: 0.25, Processes: []scenarios.Process{
			processOf("shop", nil, scenarios.Link{Role: "database", To: []string{"database/postgres"}}, scenarios.Link{Role: "mail", To: []string{"mail/mail"}}),
		}}
	}
	return scenarios.Topology{
		Label: "tiers", Entry: "balancer/haproxy",
		Machines: []scenarios.Machine{
			{Name: "balancer", Group: "balancer", VCPU: 1, MemoryGiB: 0.25, Processes: []scenarios.Process{
				processOf("haproxy", nil, scenarios.Link{Role: "backends", To: []string{"app-1/shop", "app-2/shop"}}),
			}},
			app("app-1"), app("app-2"),
			{Name: "database", Group: "database", VCPU: 4, MemoryGiB: 0.5, Processes: []scenarios.Process{
				seeded("make", "it"),
			}},
			{Name: "mail", Group: "mail", VCPU: 8, External: true, Processes: []scenarios.Process{
				processOf("mail", nil),
			}},
		},
	}
}

// seeded is a database that begins with what a command makes.
func seeded(command ...string) scenarios.Process {
	p := processOf("postgres", nil)
	p.Seed = command
	return p
}

// The whole life of a run: a dataset, a system whose machines find each other
// in the order of their links, limits, observation, the driver, and the end.
func TestLifecycle(t *testing.T) {
	s := openStage(t)
	ctx := t.Context()
	t.Cleanup(func() { removeDatasets(t, 1, s.options.DatasetVersion) })
	request := testRequest(scenarios.Before, tiers())
	ensureDatasets(t, s, request.Topology)
	began := time.Now()
	sys := startWithQuotas(t, s, request)
	t.Logf("5 machines in 3 waves took %.2f s", time.Since(began).Seconds())
	if sys.EntryURL("") != "http://before-balancer:8080" {
		t.Errorf("entry %s", sys.EntryURL(""))
	}
	var targets []observe.Target
	for _, m := range sys.Machines() {
		targets = append(targets, m.Agent)
		checkContainer(t, sys, m)
	}
	if _, err := observe.ReadAll(ctx, targets); err != nil {
		t.Error(err)
	}
	if _, err := s.Start(ctx, request); err == nil {
		t.Error("the variant was started twice")
	}
	checkResize(t, sys)
	if err := s.StartDriver(ctx, 0.5); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Exec(ctx, nil, "fetch", sys.EntryURL(""))
	if err != nil || string(answer) != "balancer/haproxy" {
		t.Errorf("through the network: %q, %v", answer, err)
	}
	for range 2 {
		if err := sys.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	again, err := s.Start(ctx, testRequest(scenarios.Before, singleMachine(nil)))
	if err != nil {
		t.Fatalf("after Close the variant cannot start again: %v", err)
	}
	t.Cleanup(func() { again.Close(context.Background()) })
}

// checkContainer compares what the engine says with what was promised.
func checkContainer(t *testing.T, sys *System, m stage.Machine) {
	t.Helper()
	result, err := sys.stage.cli.ContainerInspect(t.Context(), containerOf(t, sys, m.Name), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := result.Container
	wantCPUs := map[string]float64{"balancer": 0.5, "app-1": 1, "app-2": 1, "database": 2, "mail": scenarios.ExternalCPUs}[m.Name]
	if got := float64(c.HostConfig.CPUQuota) / float64(c.HostConfig.CPUPeriod); got != wantCPUs || m.QuotaCPUs != wantCPUs {
		t.Errorf("%s: limited to %v CPUs, says %v, want %v", m.Name, got, m.QuotaCPUs, wantCPUs)
	}
	if c.HostConfig.Memory != m.MemoryLimitBytes || c.HostConfig.MemorySwap != m.MemoryLimitBytes {
		t.Errorf("%s: memory %d, with swap %d, want %d", m.Name, c.HostConfig.Memory, c.HostConfig.MemorySwap, m.MemoryLimitBytes)
	}
	if c.Config.Hostname != "before-"+m.Name || c.Name != "/headroom-"+sys.stage.options.RunID+"-b1-before-"+m.Name {
		t.Errorf("%s: container %s, host %s", m.Name, c.Name, c.Config.Hostname)
	}
	for port, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			if port != agentPort || b.HostIP.String() != loopback {
				t.Errorf("%s: publishes %s on %s", m.Name, port, b.HostIP)
			}
		}
	}
	if m.Group != "database" {
		return
	}
	writable := map[string]bool{}
	for _, mounted := range c.Mounts {
		writable[mounted.Destination] = mounted.RW
	}
	dataset := spec.DatasetDir + "/postgres"
	if _, mounted := writable[dataset]; len(writable) != 2 || !mounted || writable[dataset] || !writable[spec.DataDir] {
		t.Errorf("%s: mounts (writable) %v", m.Name, writable)
	}
	if c.HostConfig.ShmSize != 256<<20 {
		t.Errorf("%s: %d bytes of shared memory", m.Name, c.HostConfig.ShmSize)
	}
}

// checkResize makes the apps larger and puts them back, by their quota alone.
func checkResize(t *testing.T, sys *System) {
	t.Helper()
	for _, factor := range []float64{1.25, 0.9, 1} {
		if err := sys.Resize(t.Context(), "app", factor); err != nil {
			t.Fatal(err)
		}
		for _, m := range sys.Machines() {
			want := map[string]float64{"balancer": 0.5, "app": factor, "database": 2, "mail": scenarios.ExternalCPUs}[m.Group]
			result, err := sys.stage.cli.ContainerInspect(t.Context(), containerOf(t, sys, m.Name), client.ContainerInspectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			limits := result.Container.HostConfig
			if got := float64(limits.CPUQuota) / float64(limits.CPUPeriod); got != want || m.QuotaCPUs != want {
				t.Errorf("%s at %v times: limited to %v CPUs, says %v, want %v", m.Name, factor, got, m.QuotaCPUs, want)
			}
		}
	}
	if err := sys.Resize(t.Context(), "cache", 1.25); err == nil || !strings.Contains(err.Error(), `no machines of group "cache"`) {
		t.Errorf("a group that is not there: %v", err)
	}
	if err := sys.Resize(t.Context(), "app", 0); err == nil {
		t.Error("machines of no size")
	}
}

// removeDatasets removes the datasets of a version, which are so many.
func removeDatasets(t *testing.T, want int, version string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	cli, err := Connect(ctx) // the test's own context is over
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	// As Sweep does, less the datasets of others.
	removed, err := removeVolumes(ctx, cli, labelled(labelDataset, version), func(map[string]string) bool { return true })
	if err != nil || len(removed) != want {
		t.Errorf("removed %q, %v, want %d datasets", removed, err, want)
	}
}

func TestFailedStarts(t *testing.T) {
	s := openStage(t)
	tests := []struct {
		name     string
		settings map[string]string
		timeout  time.Duration
		want     []string
	}{
		{"exits", map[string]string{"exit": "1"}, 30 * time.Second,
			[]string{"start before: machine server died at ", "exited with code 1", "machine server starts", "no space left on device"}},
		{"never ready", map[string]string{"ready": "never"}, 2 * time.Second,
			[]string{"machine server: not ready after 2s", "503", "shop does not accept connections"}},
		{"another's agent", map[string]string{"nonce": "wrong"}, 2 * time.Second,
			[]string{"machine server: not ready after 2s", observe.ErrWrongNonce.Error()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := testRequest(scenarios.Before, singleMachine(test.settings))
			request.ReadyTimeout = test.timeout
			_, err := s.Start(t.Context(), request)
			if err == nil {
				t.Fatal("it started")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error without %q:\n%v", part, err)
				}
			}
			checkOnlyNetworkLeft(t, s)
		})
	}
}

func checkOnlyNetworkLeft(t *testing.T, s *Stage) {
	t.Helper()
	if left := leftOf(t, s.cli, s.options.RunID); len(left) != 1 {
		t.Errorf("%d things of the run, want its network only: %q", len(left), left)
	}
}

func TestRefusedStarts(t *testing.T) {
	s := openStage(t)
	noEntry := singleMachine(nil)
	noEntry.Entry = "server/web"
	tests := []struct {
		name     string
		topology scenarios.Topology
		unitCPUs float64
		want     string
	}{
		{"no dataset", tiers(), testUnitCPUs, "EnsureDataset"},
		{"no entry", noEntry, testUnitCPUs, `no process "web"`},
		{"quota too small", singleMachine(nil), 0.0001, "kernel's least"},
	}
	for _, test := range tests {
		s.options.UnitCPUs = test.unitCPUs
		if _, err := s.Start(t.Context(), testRequest(scenarios.Before, test.topology)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	checkOnlyNetworkLeft(t, s)
}

func TestFailedSeed(t *testing.T) {
	s := openStage(t)
	t.Cleanup(func() { removeDatasets(t, 1, s.options.DatasetVersion) })
	err := s.EnsureDataset(t.Context(), scenarios.Dataset{Process: seeded("fail")})
	if err == nil || !strings.Contains(err.Error(), "code 1") || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("error %v, want the exit code and the log", err)
	}
	checkOnlyNetworkLeft(t, s)
}

// A Ctrl-C while machines start: Start returns the context's error and nothing
// stays, although the context is over.
func TestCancelledStart(t *testing.T) {
	s := openStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.Start(ctx, testRequest(scenarios.After, singleMachine(map[string]string{"ready": "never"})))
		done <- err
	}()
	eventually(t, "a container of the run", 20*time.Second, func() bool { return len(leftOf(t, s.cli, s.options.RunID)) > 1 })
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	case <-time.After(removeTimeout):
		t.Fatal("Start goes on after its context ended")
	}
	checkOnlyNetworkLeft(t, s)
}

func TestDescribe(t *testing.T) {
	s := openStage(t)
	var env record.Environment
	if err := s.Describe(t.Context(), &env); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(env.Engine, "docker ") || (env.CgroupMode != "v1" && env.CgroupMode != "v2") || env.Stage != record.StageDocker ||
		!strings.HasPrefix(env.ImageDigest, "sha256:") || env.Packages["valkey-server"] != "8.1.1-1" {
		t.Errorf("environment %+v", env)
	}
	checkOnlyNetworkLeft(t, s)
}

func TestOpenRefuses(t *testing.T) {
	s := openStage(t)
	_, err := Open(t.Context(), Options{RunID: s.options.RunID, Image: testImage})
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a run id twice: error %v", err)
	}
	_, err = Open(t.Context(), Options{RunID: newRunID(t), Image: "headroom/nothing:here"})
	if err == nil || !strings.Contains(err.Error(), "headroom/nothing:here is not there") {
		t.Errorf("no image: error %v", err)
	}
}

// The owner of a run is killed with SIGKILL; its reaper removes everything.
func TestReaperOutlivesItsOwner(t *testing.T) {
	cli := connect(t)
	if err := buildImage(); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runID := newRunID(t)
	owner := exec.Command(executable, "own", runID, testImage)
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "running\n" {
		t.Fatalf("the owner says %q, %v", line, err)
	}
	if left := leftOf(t, cli, runID); len(left) != 2 {
		t.Errorf("before: %q, want a container and a network", left)
	}
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := owner.Wait(); err == nil {
		t.Fatal("the owner ended well")
	}
	eventually(t, "everything of the run is gone", 15*time.Second, func() bool { return len(leftOf(t, cli, runID)) == 0 })
}

// Of two runs' leftovers only those go whose owner is dead.
func TestSweep(t *testing.T) {
	cli := connect(t)
	alive, dead := newRunID(t)+"-alive", newRunID(t)+"-dead"
	foreign := newRunID(t) + "-foreign"
	for run, labels := range map[string]map[string]string{
		alive:   labelsOf(child.CurrentOwner(), alive, nil),
		dead:    labelsOf(deadOwner(t), dead, nil),
		foreign: {labelRun: foreign}, // not "ours"
	} {
		volume, err := cli.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: "headroom-" + run, Labels: labels})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, err := cli.VolumeRemove(context.Background(), volume.Volume.Name, client.VolumeRemoveOptions{})
			if err != nil && !errdefs.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
	if _, err := cli.NetworkCreate(t.Context(), "headroom-"+dead, client.NetworkCreateOptions{Labels: labelsOf(deadOwner(t), dead, nil)}); err != nil {
		t.Fatal(err)
	}
	removed, err := Sweep(t.Context(), cli, false)
	if err != nil && !errors.Is(err, ErrStuckNetwork) { // the engine may have kept one of another run
		t.Error(err)
	}
	for _, thing := range []string{"volume headroom-" + dead, "network headroom-" + dead} {
		if !slices.Contains(removed, thing) {
			t.Errorf("%s is not among the removed %q", thing, removed)
		}
	}
	if left := leftOf(t, cli, dead); len(left) != 0 {
		t.Errorf("left of the dead: %q", left)
	}
	for _, run := range []string{alive, foreign} {
		if left := leftOf(t, cli, run); len(left) != 1 {
			t.Errorf("run %s was touched", run)
		}
	}
}

// The agents' addresses are loopback addresses.
func TestAgentIsOnLoopback(t *testing.T) {
	s := openStage(t)
	sys, err := s.Start(t.Context(), testRequest(scenarios.After, singleMachine(nil)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(sys.Machines()[0].Agent.AgentURL)
	if err != nil || !net.ParseIP(u.Hostname()).IsLoopback() {
		t.Errorf("agent at %v, %v", u, err)
	}
	// Left running: the stage's Close has to remove it.
}
