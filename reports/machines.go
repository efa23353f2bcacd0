// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// quotas returns what every machine of a variant was allowed, by name.
func quotas(trials []record.Trial, v scenarios.Variant) map[string]float64 {
	cpus := map[string]float64{}
	for _, t := range trials {
		if t.Variant != v {
			continue
		}
		for _, m := range t.Machines {
			cpus[m.Machine] = m.QuotaCPUs
		}
	}
	return cpus
}

// machinesOf lists the machines of one of a scenario's topologies, copies of one
// another once.
func machinesOf(s scenarios.Scenario, t scenarios.Topology, quotaCPUs map[string]float64) []Machine {
	machines := []Machine{}
	for _, g := range t.Groups() {
		machine := Machine{Name: g.GroupName(), Copies: g.Copies, Size: g.Size, VCPU: g.VCPU, MemoryGiB: g.MemoryGiB,
			QuotaCPUs: quotaCPUs[g.Name], External: g.External, Processes: []Process{}}
		for _, p := range g.Processes {
			process := Process{Name: p.Name, Kind: p.Kind, Settings: s.RelevantSettings(p)}
			for _, link := range p.Links {
				process.Links = append(process.Links, string(link.Role)+": "+t.LinkText(g.Machine, p, link))
			}
			machine.Processes = append(machine.Processes, process)
		}
		machines = append(machines, machine)
	}
	return machines
}

// machineTitle is a machine's name, with its copies: "shard ×4".
func machineTitle(m Machine) string {
	if m.Copies > 1 {
		return fmt.Sprintf("%s ×%d", m.Name, m.Copies)
	}
	return m.Name
}

// processText is what a process is: its kind where its name does not say it,
// its settings and its links.
func processText(p Process) string {
	var parts []string
	if p.Name != string(p.Kind) {
		parts = append(parts, string(p.Kind))
	}
	if text := settingsText(p.Settings); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(append(parts, p.Links...), " · ")
}
