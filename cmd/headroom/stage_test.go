// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"headroom/harness"
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
func TestShareFreely(t *testing.T) {
	shares := harness.ShareFreely(2)
	if shares.UnitCPUs != 1 || shares.HostCPUs != 2 || shares.PeriodMicros != 0 || len(shares.VariantCPUs) != 2 {
		t.Errorf("shares %+v", shares)
	}
}

// Each dataset that a variant keeps is made, and once.
func TestEnsureDatasets(t *testing.T) {
	whole := scenarios.Dataset{Users: 1, Posts: 2, Orders: 3}
	sharded := whole
	sharded.Shards = 2
	shard := postgres.Kind().Kind.Process("postgres")
	shard.Settings["data"] = "shard"
	shards := scenarios.Topology{Machines: []scenarios.Machine{
		{Name: "shard-1", Group: "shard", Processes: []scenarios.Process{shard}},
		{Name: "shard-2", Group: "shard", Processes: []scenarios.Process{shard}},
	}}
	for _, test := range []struct {
		after scenarios.Topology
		want  []scenarios.Dataset
	}{{scenarios.Topology{}, []scenarios.Dataset{whole}}, {shards, []scenarios.Dataset{whole, sharded}}} {
		var made []scenarios.Dataset
		err := ensureDatasets(t.Context(), &scenarios.Scenario{Dataset: whole, After: test.after}, func(_ context.Context, d scenarios.Dataset) error {
			made = append(made, d)
			return nil
		})
		if err != nil || !slices.Equal(made, test.want) {
			t.Errorf("made %+v, %v; want %+v", made, err, test.want)
		}
	}
	full, calls := errors.New("disk is full"), 0
	err := ensureDatasets(t.Context(), &scenarios.Scenario{After: shards}, func(context.Context, scenarios.Dataset) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("after a failure: %d calls, %v", calls, err)
	}
}
