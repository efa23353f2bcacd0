// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
	"headroom/targets/kinds/postgres"
)

func TestChooseStageWithoutDocker(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	for word, want := range map[string]string{stageDocker: stageDocker, stageProcess: stageProcess, stageAuto: stageProcess} {
		var out bytes.Buffer
		got, err := chooseStage(t.Context(), word, newProgress(&out))
		if err != nil || got != want {
			t.Errorf("%s gives %q, %v", word, got, err)
		}
		said := strings.Contains(out.String(), "took the process stage") && strings.Contains(out.String(), "docker is not available")
		if said != (word == stageAuto) || strings.Count(out.String(), "\n") > 1 {
			t.Errorf("%s says %q", word, out.String())
		}
	}
	// Called off is not the same as away.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := chooseStage(ctx, stageAuto, newProgress(&bytes.Buffer{})); !errors.Is(err, docker.ErrUnavailable) {
		t.Errorf("a cancelled context gives %q, %v", got, err)
	}
}

func TestShortReason(t *testing.T) {
	for text, want := range map[string]string{
		"docker is not available: permission denied; add your user to the docker group": "docker is not available: permission denied",
		"one line\nand another": "one line",
	} {
		if got := shortReason(errors.New(text)); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	if got := shortReason(errors.New(strings.Repeat("é", 500))); len(got) > 170 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("a long reason becomes %q", got)
	}
}

// Without limits nothing is too large for a host: there is no scale.
func TestSharesWithoutQuotas(t *testing.T) {
	shares := harness.SharesWithoutQuotas(2)
	if shares.UnitCPUs != 1 || shares.HostCPUs != 2 || shares.PeriodMicros != 0 || len(shares.VariantCPUs) != 2 {
		t.Errorf("shares %+v", shares)
	}
}

// What a stage can't run is refused before anything is made or waited for.
func TestOpenStageRefusesServices(t *testing.T) {
	of := func(service *scenarios.Service) *scenarios.Scenario {
		web := scenarios.Process{Name: "web", Service: service}
		return &scenarios.Scenario{After: scenarios.Topology{Machines: []scenarios.Machine{{Name: "app", Processes: []scenarios.Process{web}}}}}
	}
	for _, test := range []struct {
		word    string
		service *scenarios.Service
		want    string
	}{
		{stageProcess, &scenarios.Service{Image: "app:1"}, "after: app/web has an image of its own"},
		{stageDocker, &scenarios.Service{Command: []string{"./app"}}, "after: app/web runs a program of this computer"},
	} {
		opened, err := openStage(t.Context(), test.word, of(test.service), "r", record.Shares{}, newProgress(io.Discard), nil)
		if opened != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.word, err, test.want)
		}
	}
}

// Each dataset that a variant begins with is made, and once.
func TestEnsureDatasets(t *testing.T) {
	database := func(machine string, seed ...string) scenarios.Machine {
		p := postgres.Kind().Kind.Process("postgres")
		p.Seed = seed
		group, _, _ := strings.Cut(machine, "-")
		return scenarios.Machine{Name: machine, Group: group, Processes: []scenarios.Process{p}}
	}
	of := func(machines ...scenarios.Machine) scenarios.Topology { return scenarios.Topology{Machines: machines} }
	whole := of(database("database", "seed", "all"))
	shards := of(database("shard-1", "seed", "{copy}", "{copies}"), database("shard-2", "seed", "{copy}", "{copies}"))
	for _, test := range []struct {
		before, after scenarios.Topology
		want          []string
	}{
		{of(), of(), nil},
		{whole, of(), []string{"seed all"}},
		{whole, of(database("other", "seed", "all"), database("replica")), []string{"seed all"}},
		{whole, shards, []string{"seed all", "seed 1 2", "seed 2 2"}},
	} {
		var made []string
		s := &scenarios.Scenario{Before: test.before, After: test.after}
		err := ensureDatasets(t.Context(), s, newProgress(io.Discard), func(_ context.Context, d scenarios.Dataset) error {
			made = append(made, d.Command())
			return nil
		})
		if err != nil || !slices.Equal(made, test.want) {
			t.Errorf("made %q, %v; want %q", made, err, test.want)
		}
	}
	full, calls := errors.New("disk is full"), 0
	err := ensureDatasets(t.Context(), &scenarios.Scenario{After: shards}, newProgress(io.Discard), func(context.Context, scenarios.Dataset) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("after a failure: %d calls, %v", calls, err)
	}
}
