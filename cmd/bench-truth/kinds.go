package main

import (
	"fmt"
	"strings"

	"headroom/scenarios"
)

// kind is a run whose truth is known: phase 3 with a variant against itself, and a
// difference planted in the second one or none.
type kind struct {
	name  string
	side  string // whose topology both have: "before" or "after"
	plant []replacement
	shows func(result) (row effect, above bool) // what the plant must move, and whether up
}

// replacement is a change in the text of a topology.
type replacement struct{ from, to string }

var kinds = []kind{
	{name: "equal-before", side: "before"},
	{name: "equal-after", side: "after"},
	{name: "database-15", side: "before", plant: []replacement{{"database: &database {size: large,", "database: {size: large, quota: 85%,"}},
		shows: func(r result) (effect, bool) { return r.Capacity, false }},
	{name: "app-cpu-10", side: "before", plant: []replacement{{"pool_size: 2}", "pool_size: 2, burn: " + burn + "}"}},
		shows: func(r result) (effect, bool) { return r.AppCPU, true }},
}

// burn is a tenth of the CPU time that a request takes in an app of phase 3's
// before (1.0 ms).
const burn = "100us"

func names() []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.name)
	}
	return out
}

// scenario is the text of a scenario in which both variants are one of phase 3's,
// the second with the plant.
func (k kind) scenario() (string, error) {
	text, err := scenarios.Text("phase3")
	if err != nil {
		return "", err
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
	head = strings.Replace(head, "name: phase3", "name: "+k.name, 1)
	return head + "\nbefore:\n" + first + "\nafter:\n" + unanchored(second) + "\n", nil
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
