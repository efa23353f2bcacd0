// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"maps"
	"slices"
	"strings"
	"testing"

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
		build scenarios.Build
		want  string
	}{
		{scenarios.Build{Context: ".", Dir: "/home/me"}, "build --tag t /home/me"},
		{scenarios.Build{Context: "/srv/app", Dir: "/home/me"}, "build --tag t /srv/app"},
		{scenarios.Build{Context: "app", Dockerfile: "deploy/Dockerfile", Target: "run", Dir: "/home/me", Args: map[string]string{"B": "2", "A": "1"}},
			"build --tag t --file /home/me/app/deploy/Dockerfile --target run --build-arg A=1 --build-arg B=2 /home/me/app"},
	} {
		if got := strings.Join(buildWords(test.build, "t"), " "); got != test.want {
			t.Errorf("%+v: %s, want %s", test.build, got, test.want)
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
		s.keepImage(imageTag(service), ownImage{id: string("ab"[i]), says: imageSays(service)})
	}
	second := imageTag(scenarios.Service{Build: &scenarios.Build{Context: "app", Target: "run", Args: map[string]string{"TOKEN": "two"}}})
	want := map[string]string{"build app to run": "a", "build app to run (" + second + ")": "b"}
	if ids := s.imageIDs(); !maps.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
	if says := imageSays(scenarios.Service{Build: &scenarios.Build{Context: "app", Dockerfile: "Dockerfile.dev"}}); says != "build app Dockerfile.dev" {
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
