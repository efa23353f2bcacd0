// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"headroom/scenarios"
)

// All that a build is made of makes its tag, and nothing else does.
func TestImageTag(t *testing.T) {
	of := func(edit func(*scenarios.Build)) string {
		b := &scenarios.Build{Context: "app", Dir: "/home/me", Args: map[string]string{"BASE": "debian"}}
		edit(b)
		return imageTag(scenarios.Service{Build: b})
	}
	base := of(func(*scenarios.Build) {})
	if !strings.HasPrefix(base, "headroom/own:") || base != of(func(b *scenarios.Build) { b.Context = "./app" }) {
		t.Errorf("the same build is %s and %s", base, of(func(b *scenarios.Build) { b.Context = "./app" }))
	}
	for what, other := range map[string]string{
		"folder":     of(func(b *scenarios.Build) { b.Dir = "/home/you" }),
		"context":    of(func(b *scenarios.Build) { b.Context = "." }),
		"Dockerfile": of(func(b *scenarios.Build) { b.Dockerfile = "Dockerfile.dev" }),
		"target":     of(func(b *scenarios.Build) { b.Target = "test" }),
		"argument":   of(func(b *scenarios.Build) { b.Args = map[string]string{"BASE": "alpine"} }),
	} {
		if other == base {
			t.Errorf("builds of another %s have the same tag", what)
		}
	}
	if tag := imageTag(scenarios.Service{Image: "postgres:17"}); tag != "postgres:17" {
		t.Errorf("an image by name is %s", tag)
	}
}

func TestBuildWords(t *testing.T) {
	for _, test := range []struct {
		build     scenarios.Build
		want, env string
	}{
		{scenarios.Build{Context: ".", Dir: "/home/me"}, "build --tag t /home/me", ""},
		{scenarios.Build{Context: "/srv/app", Dir: "/home/me"}, "build --tag t /srv/app", ""},
		{scenarios.Build{Context: "app", Dockerfile: "deploy/Dockerfile", Target: "run", Dir: "/home/me", Args: map[string]string{"B": "2", "A": "1"}},
			"build --tag t --file /home/me/app/deploy/Dockerfile --target run --build-arg A --build-arg B /home/me/app", "A=1 B=2"},
		{scenarios.Build{Context: ".", Dir: "/home/me", Args: map[string]string{
			"DOCKER_HOST": "1", "BUILDX_BUILDER": "2", "PATH": "3", "HOME": "4", "http_proxy": "5", "HTTPS_PROXY": "6", "BUILDKIT_INLINE_CACHE": "7", "HOMEPAGE": "8"}},
			"build --tag t --build-arg BUILDKIT_INLINE_CACHE=7 --build-arg BUILDX_BUILDER=2 --build-arg DOCKER_HOST=1 --build-arg HOME=4 --build-arg HOMEPAGE --build-arg HTTPS_PROXY=6 --build-arg PATH=3 --build-arg http_proxy=5 /home/me",
			"HOMEPAGE=8"},
	} {
		words, env := buildWords(test.build, "t")
		if got := strings.Join(words, " "); got != test.want || strings.Join(env, " ") != test.env {
			t.Errorf("%+v: %s with %q, want %s with %q", test.build, got, env, test.want, test.env)
		}
	}
}

// The docker program gets a build's secrets where others can't read them, builds for
// this stage's engine, and makes the same image of the same files. What it said last
// stands in the error when it fails.
func TestRunDocker(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\n" + `echo "$*; TOKEN=$TOKEN, host $DOCKER_HOST, builder $BUILDX_BUILDER, no attestations $BUILDX_NO_DEFAULT_ATTESTATIONS"` + "\nexit 3\n"
	if err := os.WriteFile(filepath.Join(dir, dockerProgram), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("BUILDX_BUILDER", "elsewhere")
	cli, err := client.New(client.WithHost("unix:///nonexistent/docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	s := &Stage{cli: cli, options: Options{Progress: io.Discard}}
	err = s.build(t.Context(), scenarios.Build{Context: "/srv/app", Args: map[string]string{"TOKEN": "secret"}}, "t")
	const want = "build --tag t --build-arg TOKEN /srv/app; TOKEN=secret, host unix:///nonexistent/docker.sock, builder default, no attestations 1"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it failed as %v, want the last lines with %q", err, want)
	}
}

// Who gave up needs no remedy, and everybody else reads the remedy before the cause.
func TestExplainPull(t *testing.T) {
	cause := errors.New("manifest unknown")
	if err := explainPull(t.Context(), "a:1", cause); !errors.Is(err, cause) ||
		err.Error() != "pull a:1 (see that the name is right, and that docker pull works for it): manifest unknown" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := explainPull(ctx, "a:1", ctx.Err()); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "see that") {
		t.Errorf("after an interrupt: %v", err)
	}
}

// A slow program can be given more time, or its quota later; the latter only once.
func TestSlowRemedy(t *testing.T) {
	for limits, want := range map[string]string{
		scenarios.LimitsFromStart: "; if the program starts slowly, give it longer (ready: {within: ...}), or its CPU quota later (limits: ready)",
		scenarios.LimitsFromReady: "; if the program starts slowly, give it longer (ready: {within: ...})",
	} {
		if got := slowRemedy(scenarios.Service{Limits: limits}); got != want {
			t.Errorf("limits: %s: %q, want %q", limits, got, want)
		}
	}
}

// Only an engine that does not show its cgroups is asked without them: another refusal
// would come again, and its cause must be said.
func TestRefusesCgroups(t *testing.T) {
	for text, want := range map[string]bool{
		`create container: invalid mount config for type "bind": bind source path does not exist: /sys/fs/cgroup`: true,
		`error mounting "/sys/fs/cgroup" to rootfs at "/host/cgroup": permission denied`:                          true,
		"Mounts denied: the path /sys/fs/cgroup is not shared from the host":                                      true,
		"statfs /sys/fs/cgroup: no such file or directory":                                                        true,
		`Conflict. The container name "/headroom-r-observer-after" is already in use`:                             false,
		"No such image: headroom/machine:latest":                                                                  false,
		"write /sys/fs/cgroup/docker/1/cpu.max: invalid argument":                                                 false,
		"mount /var/lib: no space left on device":                                                                 false,
	} {
		if got := (&observer{cgroups: hostCgroups}).refusesCgroups(errors.New(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// Of a build the record has no arguments: they may be secret. Two builds in one
// folder are two images all the same.
func TestImageIDs(t *testing.T) {
	s := &Stage{images: map[string]ownImage{}}
	if ids := s.imageIDs(); ids != nil {
		t.Errorf("without images %v", ids)
	}
	for i, token := range []string{"one", "two"} {
		service := scenarios.Service{Build: &scenarios.Build{Context: "app", Target: "run", Args: map[string]string{"TOKEN": token}}}
		s.keepImage(imageTag(service), ownImage{id: string("ab"[i]), description: describeImage(service)})
	}
	second := imageTag(scenarios.Service{Build: &scenarios.Build{Context: "app", Target: "run", Args: map[string]string{"TOKEN": "two"}}})
	want := map[string]string{"build app to run": "a", "build app to run (" + second + ")": "b"}
	if ids := s.imageIDs(); !maps.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	if says := describeImage(scenarios.Service{Build: &scenarios.Build{Context: "app", Dockerfile: "Dockerfile.dev"}}); says != "build app Dockerfile.dev" {
		t.Errorf("it says %q", says)
	}
}

// A topology needs one observer for all of its images of the user's own, and none
// without.
func TestNewObserver(t *testing.T) {
	if o := newObserver(singleMachine(nil)); o != nil {
		t.Errorf("an observer of %v", o.machines)
	}
	topology := ownTopology(scenarios.Process{Name: "web", Service: &scenarios.Service{Image: "app:1"}})
	second := topology.Machines[1]
	second.Name = "app-2"
	topology.Machines = append(topology.Machines, second)
	if o := newObserver(topology); o == nil || !slices.Equal(o.machines, []string{"app", "app-2"}) || cap(o.made) != 2 {
		t.Errorf("the observer is %+v", o)
	}
}
