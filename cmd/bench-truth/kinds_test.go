// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	known "headroom/targets/kinds"
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
		s, err := scenarios.Parse(k.name+".yaml", []byte(text), known.Data())
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if k.side == "" {
			checkAsItIs(t, s)
			continue
		}
		if len(s.Before.Machines) != len(s.After.Machines) {
			t.Errorf("%s: %d machines and %d", k.name, len(s.Before.Machines), len(s.After.Machines))
			continue
		}
		// selftest compare --runs goes by that, too.
		if same := reflect.DeepEqual(s.Before.Machines, s.After.Machines); same != (k.plant == nil) {
			t.Errorf("%s: its variants are the same: %t", k.name, same)
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

// checkAsItIs holds a kind without plant against phase 3: only after has a cache.
func checkAsItIs(t *testing.T, s *scenarios.Scenario) {
	t.Helper()
	text, err := scenarios.Text("phase3")
	if err != nil {
		t.Fatal(err)
	}
	phase3, err := scenarios.Parse("phase3.yaml", []byte(text), known.Data())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.Before, phase3.Before) || !reflect.DeepEqual(s.After, phase3.After) || len(s.Before.Machines) == len(s.After.Machines) {
		t.Errorf("%s is not phase 3: %v and %v", s.Name, s.Before, s.After)
	}
	if s.Name == "phase3" {
		t.Error("a run of a kind is called as phase 3's are")
	}
}

// Whatever is there when the bench is stopped says as much as it can: equal
// variants first, by turns.
func TestScheduleBeginsWithEqualVariants(t *testing.T) {
	var first []string
	seeds := map[uint64]string{}
	all := schedule(kinds, 0)
	for i, n := range all {
		if i < 12 {
			first = append(first, n.name)
		}
		seed := n.seeds + uint64(n.number) + 1
		if of := seeds[seed]; of != "" {
			t.Errorf("%s and %s share seed %d", of, n.name, seed)
		}
		seeds[seed] = n.name
	}
	if want := slices.Repeat([]string{"equal-before", "equal-after"}, 6); !slices.Equal(first, want) {
		t.Errorf("the first twelve are %v", first)
	}
	if last := all[len(all)-1]; len(all) != 32 || last.name != "paused" || last.number != 4 {
		t.Errorf("%d runs, the last is %s %d", len(all), last.name, last.number+1)
	}
	if few := schedule(kinds, 2); len(few) != 2*len(kinds) || few[4].name != "database-15" || few[5].name != "app-cpu-10" {
		t.Errorf("two of each: %d runs", len(few))
	}
}

func TestNamed(t *testing.T) {
	some, err := named("paused,equal-after")
	if err != nil || len(some) != 2 || some[0].name != "equal-after" || some[1].name != "paused" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := named("equal-after,payed"); err == nil || !strings.Contains(err.Error(), `"payed"; there are equal-before`) {
		t.Errorf("a kind that is none: %v", err)
	}
}
