// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// openOwn opens a stage of the fake image, whose built images go when the test ends.
func openOwn(t *testing.T) *Stage {
	t.Helper()
	return withBuilt(t, openStage)
}

// withBuilt opens a stage whose built images go when the test ends.
func withBuilt(t *testing.T, open func(*testing.T) *Stage) *Stage {
	t.Helper()
	cli := connect(t)
	s := &Stage{}
	t.Cleanup(func() { // after Close
		ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
		defer cancel()
		for tag := range s.images {
			if !strings.HasPrefix(tag, ownImages+":") {
				continue
			}
			if _, err := cli.ImageRemove(ctx, tag, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
				t.Error(err)
			}
		}
	})
	s = open(t)
	return s
}

// ownService is a process of an image that is built around the test's own, and tells
// what it was given.
func ownService(t *testing.T, built string) scenarios.Process {
	t.Helper()
	dir := t.TempDir()
	writeDockerfile(t, dir, testImage, `ARG BUILT=nothing
ENV BUILT=$BUILT
ENTRYPOINT ["headroom", "service"]`)
	return scenarios.Process{
		Name: "web", Kind: "service", Port: 8000, Facts: scenarios.Facts{Stores: true, Ports: 1},
		Links: []scenarios.Link{{Role: "next", To: []string{"back/mail"}}},
		Service: &scenarios.Service{
			Build:   &scenarios.Build{Context: "app", Dir: dir, Args: map[string]string{"BUILT": built}},
			Command: []string{"a", "b c"},
			Env:     map[string]string{"NEXT": "http://{next}/", "FILE": "/etc/web/conf", "DATA": "/data"},
			Files:   []scenarios.File{{Path: "/etc/web/conf", From: "conf", Content: []byte("settings")}},
			Ready:   scenarios.Ready{TCP: true, Within: 20 * time.Second},
			Data:    "/data", Limits: scenarios.LimitsFromStart,
		},
	}
}

// writeDockerfile writes what is built in a folder's app, from another image.
func writeDockerfile(t *testing.T, dir, from, lines string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app", "Dockerfile"), []byte("FROM "+from+"\n"+lines+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ownTopology is a machine of an image of the user's own, which needs one of ours.
func ownTopology(p scenarios.Process) scenarios.Topology {
	return scenarios.Topology{Label: "own", Entry: "app/web", Machines: []scenarios.Machine{
		{Name: "back", Group: "back", VCPU: 1, MemoryGiB: 0.125, Processes: []scenarios.Process{processOf("mail", nil)}},
		{Name: "app", Group: "app", VCPU: 1, MemoryGiB: 0.25, Processes: []scenarios.Process{p}},
	}}
}

// startOwn makes a topology's images and starts it. Its Close is the stage's.
func startOwn(t *testing.T, s *Stage, topology scenarios.Topology) (*System, error) {
	t.Helper()
	if err := s.EnsureImages(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	started, err := s.Start(t.Context(), testRequest(scenarios.After, topology))
	if err != nil {
		return nil, err
	}
	return started.(*System), nil
}

func inspect(t *testing.T, s *Stage, id string) container.InspectResponse {
	t.Helper()
	result, err := s.cli.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Container
}

// observerOf is the container of a system's observer.
func observerOf(sys *System) string { return sys.stage.resourceName("observer-b1-after") }

// An image of the user's own is built, with the docker program and without it. It
// gets what the scenario says, runs with the machine's quotas, and is observed from
// outside.
func TestOwnImage(t *testing.T) {
	for _, how := range []string{"program", "API"} {
		t.Run(how, func(t *testing.T) {
			s := openOwn(t)
			if _, err := exec.LookPath(dockerProgram); err != nil && how == "program" {
				t.Skipf("needs the docker program, which is not on the path: %v", err)
			}
			if how == "API" {
				t.Setenv("PATH", t.TempDir())
			}
			p := ownService(t, how)
			sys, err := startOwn(t, s, ownTopology(p))
			if err != nil {
				t.Fatal(err)
			}
			checkOwnContainer(t, sys, *p.Service)
			checkObserver(t, sys)
			if err := s.StartDriver(t.Context(), 0.5); err != nil {
				t.Fatal(err)
			}
			answer, err := s.Exec(t.Context(), nil, "fetch", sys.EntryURL(""))
			if want := `["a" "b c"] at http://after-back:8025/ with settings, built with ` + how; err != nil || string(answer) != want {
				t.Errorf("it answers %q, %v, want %q", answer, err, want)
			}
			var env record.Environment
			if err := s.Describe(t.Context(), &env); err != nil || len(env.Images) != 1 || env.Images["build app"] != s.imageOf(*p.Service) {
				t.Errorf("the environment has the images %v, %v", env.Images, err)
			}
		})
	}
}

// checkOwnContainer wants the quota there before SetCPUQuotas, and nothing published but for
// this computer.
func checkOwnContainer(t *testing.T, sys *System, service scenarios.Service) {
	t.Helper()
	c := inspect(t, sys.stage, containerOf(t, sys, "app"))
	limits := c.HostConfig.Resources
	if got := float64(limits.CPUQuota) / float64(limits.CPUPeriod); got != testUnitCPUs || limits.Memory != 1<<28 || limits.MemorySwap != 1<<28 {
		t.Errorf("limited to %v CPUs and %d bytes, with swap %d", got, limits.Memory, limits.MemorySwap)
	}
	if id := sys.stage.imageOf(service); c.Image != id || !strings.HasPrefix(id, "sha256:") {
		t.Errorf("it runs %s, want %s", c.Image, id)
	}
	if len(c.Mounts) != 1 || c.Mounts[0].Destination != "/data" || !c.Mounts[0].RW {
		t.Errorf("mounts %+v", c.Mounts)
	}
	for port, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			if port != agentPort || b.HostIP.String() != loopback {
				t.Errorf("publishes %s on %s", port, b.HostIP)
			}
		}
	}
	for _, e := range c.Config.Env {
		if strings.HasPrefix(e, spec.EnvSpec+"=") {
			t.Errorf("it is told %s", e)
		}
	}
}

// checkObserver wants an observer with a quota of its own and the host's cgroups,
// which answers in place of the machine's agent.
func checkObserver(t *testing.T, sys *System) {
	t.Helper()
	c := inspect(t, sys.stage, observerOf(sys))
	if got := float64(c.HostConfig.CPUQuota) / float64(c.HostConfig.CPUPeriod); got != observerCPUs {
		t.Errorf("the observer is limited to %v CPUs", got)
	}
	if len(c.Mounts) != 1 || c.Mounts[0].Destination != spec.HostCgroupDir || c.Mounts[0].RW {
		t.Errorf("the observer mounts %+v", c.Mounts)
	}
	var targets []observe.Target
	for _, m := range sys.Machines() {
		targets = append(targets, m.Agent)
	}
	if _, err := observe.ReadAll(t.Context(), targets); err != nil {
		t.Error(err)
	}
	own, other := target(t, sys, "app"), target(t, sys, "back")
	if !strings.HasSuffix(own.AgentURL, spec.ObservedPath("app")) || strings.HasPrefix(own.AgentURL, other.AgentURL) {
		t.Errorf("app answers at %s, back at %s", own.AgentURL, other.AgentURL)
	}
	if len(sys.Machines()) != 2 {
		t.Errorf("machines %+v: the observer is none", sys.Machines())
	}
}

// With `limits: ready` a service warms up without a quota, as all others do.
func TestOwnImageLimitedFromReady(t *testing.T) {
	s := openOwn(t)
	p := ownService(t, "x")
	p.Service.Limits = scenarios.LimitsFromReady
	sys, err := startOwn(t, s, ownTopology(p))
	if err != nil {
		t.Fatal(err)
	}
	if quota := inspect(t, s, containerOf(t, sys, "app")).HostConfig.CPUQuota; quota != 0 {
		t.Errorf("before SetCPUQuotas the quota is %d us", quota)
	}
	if err := sys.SetCPUQuotas(t.Context()); err != nil {
		t.Fatal(err)
	}
	limits := inspect(t, s, containerOf(t, sys, "app")).HostConfig.Resources
	if got := float64(limits.CPUQuota) / float64(limits.CPUPeriod); got != testUnitCPUs {
		t.Errorf("after SetCPUQuotas %v CPUs", got)
	}
}

// What a service of the user's own does wrong is said, with its last words.
func TestOwnImageDoesNotStart(t *testing.T) {
	s := openOwn(t)
	for _, test := range []struct {
		name string
		edit func(*scenarios.Process)
		want []string
	}{
		{"it ends", func(p *scenarios.Process) { p.Service.Env["EXIT"] = "1" },
			[]string{"start after: machine app died at ", "it exited with code 1", "the service starts", "no space left on device"}},
		{"it is never ready", func(p *scenarios.Process) { p.Port, p.Service.Ready.Within = 8001, 2*time.Second },
			[]string{"machine app: not ready after 2s", "connection refused", "ready: {within: ...}", "limits: ready", "the service starts"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := ownService(t, "x")
			test.edit(&p)
			_, err := startOwn(t, s, ownTopology(p))
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

// A system that nobody observes any more is void: the observer's end is a death.
func TestObserverDies(t *testing.T) {
	s := openOwn(t)
	sys, err := startOwn(t, s, ownTopology(ownService(t, "x")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.cli.ContainerKill(t.Context(), observerOf(sys), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a death is known", 20*time.Second, func() bool { return len(sys.Deaths()) > 0 })
	if err := sys.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if deaths := sys.Deaths(); len(deaths) != 1 || deaths[0].Machine != "observer" {
		t.Errorf("deaths %v", deaths)
	}
	checkOnlyNetworkLeft(t, s)
}

// An engine that does not show its cgroups costs figures, not the run.
func TestObserverWithoutCgroups(t *testing.T) {
	s := openOwn(t)
	topology := ownTopology(ownService(t, "x"))
	if err := s.EnsureImages(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	s.options.Progress = &said
	sys, err := s.plan(testRequest(scenarios.After, topology))
	if err != nil {
		t.Fatal(err)
	}
	sys.observer.cgroups = "/no/such/folder"
	if err := s.claim(sys); err != nil {
		t.Fatal(err)
	}
	if err := sys.watch.Start(t.Context(), sys.startAll); err != nil {
		t.Fatal(err)
	}
	if mounts := inspect(t, s, observerOf(sys)).Mounts; len(mounts) != 0 {
		t.Errorf("the observer mounts %+v", mounts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(said.String(), "the engine does not show its cgroups") || !strings.Contains(said.String(), "of app are not known") {
		t.Errorf("it is said: %s", &said)
	}
}

func TestRefusedServices(t *testing.T) {
	s := openOwn(t)
	built, program := ownTopology(ownService(t, "x")), ownTopology(ownService(t, "x"))
	program.Machines[1].Processes[0].Service.Build = nil
	for want, topology := range map[string]scenarios.Topology{
		"app/web needs an image that is not made (build app): call EnsureImages": built,
		"--stage process": program,
	} {
		if _, err := s.Start(t.Context(), testRequest(scenarios.After, topology)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	checkOnlyNetworkLeft(t, s)
}

// An image that is there is not pulled. What can't be built or pulled is named.
func TestEnsureImages(t *testing.T) {
	s := openOwn(t)
	there := ownTopology(ownService(t, "x"))
	there.Machines[1].Processes[0].Service = &scenarios.Service{Image: testImage}
	if err := s.EnsureImages(t.Context(), there); err != nil || !strings.HasPrefix(s.imageOf(scenarios.Service{Image: testImage}), "sha256:") {
		t.Errorf("an image that is there: %v", err)
	}
	broken := ownService(t, "x")
	writeDockerfile(t, broken.Service.Build.Dir, testImage, "COPY missing /")
	nowhere := ownService(t, "x")
	nowhere.Service = &scenarios.Service{Image: "127.0.0.1:1/nothing:here"}
	program := ownService(t, "x")
	program.Service.Build = nil
	check := func(t *testing.T) {
		for _, test := range []struct {
			p    scenarios.Process
			want []string
		}{
			{broken, []string{"image of app/web: ", "missing", "its last lines:"}},
			{nowhere, []string{"image of app/web: pull 127.0.0.1:1/nothing:here (see that the name is right, and that docker pull works for it): "}},
			{program, []string{"app/web runs a program of this computer"}},
		} {
			err := s.EnsureImages(t.Context(), ownTopology(test.p))
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q", err, part)
				}
			}
		}
	}
	if _, err := exec.LookPath(dockerProgram); err == nil {
		t.Run("program", check)
	}
	t.Setenv("PATH", t.TempDir())
	t.Run("API", check)
}

// The files of a seed command are in the folder where the command works.
func TestSeedFiles(t *testing.T) {
	s := openStage(t)
	t.Cleanup(func() { removeDatasets(t, 1, s.options.DatasetVersion) })
	p := seeded("fail")
	p.SeedFiles = []scenarios.File{{Path: "sql/why.txt", From: "sql/why.txt", Content: []byte("because of the file")}}
	err := s.EnsureDataset(t.Context(), scenarios.Dataset{Process: p})
	if err == nil || !strings.Contains(err.Error(), "out of luck because of the file") {
		t.Errorf("error %v, want what the file says", err)
	}
	checkOnlyNetworkLeft(t, s)
}
