// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// diagramWidth is the room inside a box.
const diagramWidth = 42

// Diagram draws the topology as boxes of text, one box for each group of machines.
// The group that users talk to comes first.
func (t Topology) Diagram() []string {
	lines := []string{"users → " + t.EntryText()}
	backward := slices.Clone(t.Machines)
	slices.Reverse(backward)
	for _, g := range (Topology{Machines: backward}).Groups() {
		title := g.GroupName()
		if g.Copies > 1 {
			title = fmt.Sprintf("%s x%d", title, g.Copies)
		}
		size := fmt.Sprintf("%s, %.4g vCPU", g.Size, g.VCPU)
		if g.External {
			size = "external"
		}
		title = fmt.Sprintf("─ %s (%s) ", title, size)
		lines = append(lines, "┌"+title+strings.Repeat("─", max(diagramWidth-utf8.RuneCountInString(title), 1))+"┐")
		for _, p := range g.Processes {
			for _, text := range t.processLines(p) {
				lines = append(lines, "│ "+text+strings.Repeat(" ", max(0, diagramWidth-2-utf8.RuneCountInString(text)))+" │")
			}
		}
		lines = append(lines, "└"+strings.Repeat("─", diagramWidth)+"┘")
	}
	return lines
}

// processLines says in lines that fit a box what a process is and what it
// talks to.
func (t Topology) processLines(p Process) []string {
	text := p.Name
	if p.Name != string(p.Kind) {
		text += " (" + string(p.Kind) + ")"
	}
	if targets := t.linkedGroups(p); len(targets) > 0 {
		text += " → " + strings.Join(targets, ", ")
	}
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= diagramWidth-2:
			*last += " " + word
		default:
			lines = append(lines, "    "+word)
		}
	}
	return lines
}

// linkedGroups names what a process talks to, copies folded together.
func (t Topology) linkedGroups(p Process) []string {
	var out []string
	for _, l := range p.Links {
		for _, to := range l.To {
			name, _, _ := t.fold(to)
			group, _, _ := strings.Cut(name, "/")
			if !slices.Contains(out, group) {
				out = append(out, group)
			}
		}
	}
	return out
}

// Differences says in words what the scenario's after changes over its before.
func (s *Scenario) Differences() []string {
	before, after := byGroup(s.Before), byGroup(s.After)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			out = append(out, fmt.Sprintf("- %s is gone (%s)", name, before[name].describe()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		b, was := before[name]
		a := after[name]
		if !was {
			out = append(out, fmt.Sprintf("+ %s is new (%s)", name, a.describe()))
			continue
		}
		if b.Copies != a.Copies || b.Size != a.Size {
			out = append(out, fmt.Sprintf("~ %s: %d %s becomes %d %s", name, b.Copies, b.Size, a.Copies, a.Size))
		}
		out = append(out, s.processDifferences(b.Machine, a.Machine)...)
	}
	return out
}

func byGroup(t Topology) map[string]Group {
	out := map[string]Group{}
	for _, g := range t.Groups() {
		out[g.GroupName()] = g
	}
	return out
}

func (g Group) describe() string {
	var names []string
	for _, p := range g.Processes {
		names = append(names, p.Name)
	}
	return fmt.Sprintf("%d x %s: %s", g.Copies, g.Size, strings.Join(names, ", "))
}

func (s *Scenario) processDifferences(from, to Machine) []string {
	machine := to.GroupName()
	var out []string
	for _, b := range from.Processes {
		if _, stays := to.Process(b.Name); !stays {
			out = append(out, fmt.Sprintf("- %s/%s is gone", machine, b.Name))
		}
	}
	for _, a := range to.Processes {
		b, was := from.Process(a.Name)
		if !was {
			out = append(out, fmt.Sprintf("+ %s/%s is new", machine, a.Name))
			continue
		}
		said, saysNow := s.Before.keyValues(from, b), s.After.keyValues(to, a)
		keys := maps.Clone(said)
		maps.Copy(keys, saysNow)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if said[key] != saysNow[key] {
				out = append(out, fmt.Sprintf("~ %s/%s: %s: %s becomes %s", machine, a.Name, key, orNone(said[key]), orNone(saysNow[key])))
			}
		}
	}
	return out
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// keyValues flattens settings, the seed, how a service runs, and links to key and value.
func (t Topology) keyValues(m Machine, p Process) map[string]string {
	out := map[string]string{}
	maps.Copy(out, p.Settings)
	if len(p.Seed) > 0 {
		out["seed"] = commandText(maskedWords(p.Seed))
	}
	for _, f := range p.SeedFiles {
		out["seed file "+f.Path] = f.text()
	}
	if p.Service != nil {
		maps.Copy(out, p.Service.keyValues())
	}
	for _, l := range p.Links {
		out[string(l.Role)] = t.LinkText(m, p, l)
	}
	return out
}
