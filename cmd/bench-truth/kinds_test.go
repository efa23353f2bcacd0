package main

import (
	"testing"

	"headroom/scenarios"
)

// Every kind's scenario is one that headroom reads, with the planted difference in
// its second variant and nothing else.
func TestScenarios(t *testing.T) {
	for _, k := range kinds {
		text, err := k.scenario()
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		s, err := scenarios.Parse(k.name+".yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if len(s.Before.Machines) != len(s.After.Machines) {
			t.Errorf("%s: %d machines and %d", k.name, len(s.Before.Machines), len(s.After.Machines))
			continue
		}
		quotas, burns := 0, 0
		for i, m := range s.After.Machines {
			if m.QuotaShare != s.Before.Machines[i].QuotaShare {
				quotas++
			}
			for j, p := range m.Processes {
				if p.Settings["burn"] != s.Before.Machines[i].Processes[j].Settings["burn"] {
					burns++
				}
			}
		}
		want := map[string][2]int{"database-15": {1, 0}, "app-cpu-10": {0, 5}}[k.name]
		if quotas != want[0] || burns != want[1] {
			t.Errorf("%s: %d machines with another quota and %d shops that burn, want %v", k.name, quotas, burns, want)
		}
	}
}
