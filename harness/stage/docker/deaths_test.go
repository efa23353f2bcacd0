// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// pair is two machines, of which front needs back. Each has its settings.
func pair(front, back map[string]string) scenarios.Topology {
	machine := func(name string, settings map[string]string, links ...scenarios.Link) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: name, VCPU: 1, MemoryGiB: 0.125, Processes: []scenarios.Process{
			processOf("mail", settings, links...),
		}}
	}
	return scenarios.Topology{Label: "pair", Entry: "front/mail", Machines: []scenarios.Machine{
		machine("front", front, scenarios.Link{Role: "next", To: []string{"back/mail"}}), machine("back", back),
	}}
}

// A machine dies while another waits for what will never come: the one that died
// is named, with its last words, and at once.
func TestDeathWhileOthersStart(t *testing.T) {
	s := openStage(t)
	began := time.Now()
	_, err := s.Start(t.Context(), testRequest(scenarios.Before, pair(map[string]string{"kills": "yes", "ready": "never"}, nil)))
	if err == nil {
		t.Fatal("it started")
	}
	if text := err.Error(); !strings.HasPrefix(text, "start before: machine back died at ") || !strings.Contains(text, "it exited with code 3") ||
		!strings.Contains(text, "the disk is full") || strings.Contains(text, "front") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 25*time.Second { // front would be waited for 30 s
		t.Errorf("it is said after %v", took)
	}
	checkOnlyNetworkLeft(t, s)
}

// A machine of a running system that dies is told, with how it ended. What Close
// stops has not died.
func TestDeathsOfRunningMachines(t *testing.T) {
	s := openStage(t)
	for how, want := range map[string][]string{
		"die":    {"machine back died at ", "it exited with code 3", "the disk is full"},
		"starve": {"machine back died at ", "out of memory: the kernel killed it"},
	} {
		sys, err := s.Start(t.Context(), testRequest(scenarios.After, pair(nil, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if deaths := sys.Deaths(); len(deaths) > 0 {
			t.Errorf("deaths of a system that runs: %v", deaths)
		}
		told, err := http.Post(sys.Machines()[1].Agent.AgentURL+"/"+how, "", nil)
		if err == nil {
			told.Body.Close()
		}
		eventually(t, "a death is known", 20*time.Second, func() bool { return len(sys.Deaths()) > 0 })
		if err := sys.Close(t.Context()); err != nil {
			t.Error(err)
		}
		deaths := sys.Deaths()
		if len(deaths) != 1 || deaths[0].Machine != "back" {
			t.Fatalf("%s: deaths %v", how, deaths)
		}
		for _, part := range want {
			if !strings.Contains(deaths[0].Error(), part) {
				t.Errorf("%s: %v, without %q", how, &deaths[0], part)
			}
		}
	}
}
