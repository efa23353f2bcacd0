// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"headroom/scenarios"
)

// plantInto returns the scenario with differences planted in after, each as
// GROUP/PROCESS:SETTING=VALUE, behind the back of the baseline: what the gate is
// to find. The scenario that is given stays as it is.
func plantInto(s *scenarios.Scenario, plants []string) (*scenarios.Scenario, error) {
	out := *s
	out.After.Machines = slices.Clone(s.After.Machines)
	for i := range out.After.Machines {
		m := &out.After.Machines[i]
		m.Processes = slices.Clone(m.Processes)
		for j := range m.Processes {
			m.Processes[j].Settings = maps.Clone(m.Processes[j].Settings)
		}
	}
	for _, text := range plants {
		target, assignment, _ := strings.Cut(text, ":")
		setting, value, found := strings.Cut(assignment, "=")
		group, process, isProcess := strings.Cut(target, "/")
		if !found || !isProcess {
			return nil, fmt.Errorf("--plant %q: write GROUP/PROCESS:SETTING=VALUE, for example app/shop:plant=statement", text)
		}
		if err := plant(out.After, group, process, setting, value); err != nil {
			return nil, fmt.Errorf("--plant %q: %w", text, err)
		}
	}
	return &out, nil
}

func plant(t scenarios.Topology, group, process, setting, value string) error {
	planted := false
	for _, m := range t.MachinesOf(group) {
		p, there := m.Process(process)
		if !there {
			continue
		}
		if _, known := p.Settings[setting]; !known {
			return fmt.Errorf("a %s has no setting %q; it has %s", p.Kind, setting, strings.Join(slices.Sorted(maps.Keys(p.Settings)), ", "))
		}
		p.Settings[setting] = value
		planted = true
	}
	if !planted {
		return fmt.Errorf("after has no process %s/%s; it has %s", group, process, strings.Join(t.Addresses(), ", "))
	}
	return nil
}
