// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headroom/scenarios"
)

// kind is a run whose truth is known: phase 3 with a variant against itself, with a
// difference planted in the second one or none, or phase 3 as it is, with a pause or
// without.
type kind struct {
	name  string
	group int    // kinds of one group run by turns, the groups one after the other
	seeds uint64 // run k, from 1, has seed seeds + k: no two runs share coins and keys
	runs  int
	side  string // whose topology both have: "before" or "after"; "": phase 3 as it is
	plant []replacement
	shows func(result) (row effect, above bool) // what the plant must move, and whether up
	seen  int                                   // of runs, in how many at least that is to be seen
	pause bool                                  // before's database stands still once
}

// replacement is a change in the text of a topology.
type replacement struct{ from, to string }

// kinds stand in the order in which they run: a bench that is stopped early has the
// most telling runs.
var kinds = []kind{
	{name: "equal-before", group: 1, seeds: 100, runs: 6, side: "before"},
	{name: "equal-after", group: 1, seeds: 200, runs: 6, side: "after"},
	{name: "database-15", group: 2, seeds: 300, runs: 6, side: "before", seen: 5,
		plant: []replacement{{"database: &database {size: large,", "database: {size: large, quota: 85%,"}},
		shows: func(r result) (effect, bool) { return r.Capacity, false }},
	{name: "app-cpu-10", group: 2, seeds: 400, runs: 6, side: "before", seen: 6,
		plant: []replacement{{"pool_size: 2}", "pool_size: 2, burn: 10%}"}},
		shows: func(r result) (effect, bool) { return r.AppCPU, true }},
	{name: "undisturbed", group: 3, seeds: 500, runs: 3},
	{name: "paused", group: 3, seeds: 600, runs: 5, pause: true},
}

// named is the kinds of a comma list, all for "".
func named(list string) ([]kind, error) {
	if list == "" {
		return kinds, nil
	}
	asked := strings.Split(list, ",")
	for _, name := range asked {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("--only %s: no kind is called %q; there are %s", list, name, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !slices.Contains(asked, k.name) }), nil
}

// numbered is one run of a kind, from 0.
type numbered struct {
	kind
	number int
}

func (n numbered) seed() uint64 { return n.seeds + uint64(n.number) + 1 }

// schedule is what is run, in order: the kinds of a group by turns. runs is how
// many of each, 0 for each kind's own.
func schedule(of []kind, runs int) []numbered {
	var all []numbered
	for _, k := range of {
		count := k.runs
		if runs > 0 {
			count = runs
		}
		for number := range count {
			all = append(all, numbered{k, number})
		}
	}
	slices.SortStableFunc(all, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.number, b.number))
	})
	return all
}

func names() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.name)
	}
	return out
}

// scenario is the text of a scenario in which both variants are one of phase 3's,
// the second with the plant; or phase 3's own under the kind's name.
func (k kind) scenario() (string, error) {
	text, err := scenarios.Text("phase3")
	if err != nil {
		return "", err
	}
	if k.side == "" {
		return strings.Replace(text, "name: phase3", "name: "+k.name, 1), nil
	}
	head, rest, ok1 := strings.Cut(text, "\nbefore:\n")
	before, rest, ok2 := strings.Cut(rest, "\nafter:\n")
	after, _, ok3 := strings.Cut(rest, "\nclaims:\n")
	if !ok1 || !ok2 || !ok3 {
		return "", fmt.Errorf("phase 3's file has no before, after and claims in this order")
	}
	first, second := before, before
	if k.side == "after" {
		// after's aliases are of before's anchors: they are written out.
		for _, name := range []string{"mail", "database", "balancer"} {
			after = strings.ReplaceAll(after, "*"+name, anchored(before, name))
		}
		first, second = after, after
	}
	for _, r := range k.plant {
		if !strings.Contains(second, r.from) {
			return "", fmt.Errorf("%s: phase 3's %s has no %q", k.name, k.side, r.from)
		}
		second = strings.ReplaceAll(second, r.from, r.to)
	}
	return k.head(head) + "\nbefore:\n" + first + "\nafter:\n" + unanchored(second) + "\n", nil
}

// head is a scenario's first lines, with this kind's name, title and question.
func (k kind) head(text string) string {
	says := map[string]string{"name": k.name, "title": "Phase 3's " + k.side + " against itself", "question": "Two equal systems: is any difference claimed?"}
	if k.plant != nil {
		says["question"] = "Two systems that differ by what was planted in the second one: is that seen, and nothing else?"
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if key, _, found := strings.Cut(line, ":"); found && says[key] != "" {
			lines[i] = fmt.Sprintf("%s: %q", key, says[key])
		}
	}
	return strings.Join(lines, "\n")
}

// anchored is what an anchor of a block stands for, in one line.
func anchored(block, name string) string {
	_, rest, _ := strings.Cut(block, "&"+name)
	value, _, _ := strings.Cut(rest, "\n    ")
	if strings.TrimSpace(value) != "" {
		return strings.TrimSpace(value)
	}
	// A mapping in lines below: two levels at most in phase 3.
	var lines []string
	for _, line := range strings.Split(rest, "\n")[1:] {
		if !strings.HasPrefix(line, "      ") {
			break
		}
		lines = append(lines, line)
	}
	return "\n" + strings.Join(lines, "\n")
}

// unanchored takes anchors out: a second one of a name would be another.
func unanchored(block string) string {
	for _, name := range []string{"mail", "database", "balancer"} {
		block = strings.ReplaceAll(block, " &"+name, "")
	}
	return block
}
