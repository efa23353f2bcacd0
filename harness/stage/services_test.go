// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// A stage refuses what it can't run, and says what to write instead.
func TestCheckServices(t *testing.T) {
	image := &scenarios.Service{Image: "registry/app:1"}
	build := &scenarios.Service{Build: &scenarios.Build{Context: "."}}
	program := &scenarios.Service{Command: []string{"./app"}}
	for _, test := range []struct {
		name       string
		service    *scenarios.Service
		containers bool
		want       []string // parts of the refusal; none: it runs
	}{
		{"no service, containers", nil, true, nil},
		{"no service, processes", nil, false, nil},
		{"image, containers", image, true, nil},
		{"build, containers", build, true, nil},
		{"program, processes", program, false, nil},
		{"program, containers", program, true, []string{"app/web runs a program of this computer", "image: or build:", "--stage process"}},
		{"image, processes", image, false, []string{"app/web has an image of its own", "command:", "--stage docker"}},
		{"build, processes", build, false, []string{"app/web has an image of its own", "command:", "--stage docker"}},
	} {
		topology := scenarios.Topology{Machines: []scenarios.Machine{machine("db"), {
			Name: "app", Processes: []scenarios.Process{{Name: "web", Port: 8000, Service: test.service}},
		}}}
		err := CheckServices(topology, test.containers)
		if (err != nil) != (len(test.want) > 0) {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, part := range test.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, without %q", test.name, err, part)
			}
		}
	}
}

// A slow service is waited for as long as it says.
func TestTimeoutOf(t *testing.T) {
	with := func(within []time.Duration) scenarios.Machine {
		m := scenarios.Machine{Processes: []scenarios.Process{{Name: "p"}}}
		for _, w := range within {
			m.Processes = append(m.Processes, scenarios.Process{Name: "web", Service: &scenarios.Service{Ready: scenarios.Ready{Within: w}}})
		}
		return m
	}
	for _, test := range []struct {
		asked  time.Duration
		within []time.Duration
		want   time.Duration
	}{
		{0, []time.Duration{time.Minute}, DefaultReadyTimeout},
		{0, []time.Duration{5 * time.Minute}, 5 * time.Minute},
		{time.Second, []time.Duration{time.Minute}, time.Minute},
		{0, []time.Duration{time.Minute, time.Minute, time.Second}, 121 * time.Second}, // one after the other
	} {
		if got := (Request{ReadyTimeout: test.asked}).TimeoutOf(with(test.within)); got != test.want {
			t.Errorf("%v and within %v: %v, want %v", test.asked, test.within, got, test.want)
		}
	}
	if got := (Request{}).TimeoutOf(machine("db")); got != DefaultReadyTimeout {
		t.Errorf("without a service %v", got)
	}
}

// A seed command works where its files are, and a command without files where it
// did before.
func TestSeedSpec(t *testing.T) {
	d := scenarios.Dataset{Process: scenarios.Process{Name: "p", Seed: []string{"psql", "-f", "schema.sql"}}}
	if s := SeedSpec(d, "/dataset", scenarios.SeedFilesDir, "n", nil); s.Seed.FilesDir != "" || s.Seed.Dir != "/dataset" || s.Nonce != "n" {
		t.Errorf("without files: %+v", s)
	}
	d.Process.SeedFiles = []scenarios.File{{Path: "schema.sql"}}
	if s := SeedSpec(d, "/dataset", scenarios.SeedFilesDir, "n", nil); s.Seed.FilesDir != "/seed" || s.Seed.Dir != "/dataset" {
		t.Errorf("with files: %+v", s.Seed)
	}
}
