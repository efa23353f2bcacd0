// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RelevantSettings returns the settings of a process that are worth showing: all but
// the irrelevant ones (see Kind.IsIrrelevant). For a service it returns what the file
// says of how the service runs.
func (s *Scenario) RelevantSettings(p Process) map[string]string {
	if p.Service != nil {
		return p.Service.keyValues()
	}
	kind, _ := KindOf(s.Kinds, p.Kind)
	relevant := maps.Clone(p.Settings)
	maps.DeleteFunc(relevant, func(setting, _ string) bool { return kind.IsIrrelevant(p, setting) })
	return relevant
}

// LinkText says where a link of a machine's process leads, copies folded
// together: "shard/postgres x4", or, where each copy of the machine talks to
// another, "shard/postgres, one each".
func (t Topology) LinkText(m Machine, p Process, l Link) string {
	if t.oneEach(m, p, l) {
		if group, _, ok := t.fold(l.To[0]); ok {
			return group + ", one each"
		}
	}
	var parts []string
	count := map[string]int{}
	for _, to := range l.To {
		group, _, _ := t.fold(to)
		count[group]++
	}
	for _, to := range l.To {
		group, copies, _ := t.fold(to)
		switch {
		case copies == 1 || count[group] != copies: // only some of the copies: name them
			parts = append(parts, to)
		case !slices.Contains(parts, fmt.Sprintf("%s x%d", group, copies)):
			parts = append(parts, fmt.Sprintf("%s x%d", group, copies))
		}
	}
	return strings.Join(parts, ", ")
}

// oneEach says that the copies of a machine have this link to different ones.
func (t Topology) oneEach(m Machine, p Process, l Link) bool {
	if len(l.To) != 1 {
		return false
	}
	for _, other := range t.MachinesOf(m.GroupName()) {
		if q, ok := other.Process(p.Name); ok && !slices.Equal(q.Targets(l.Role), l.To) {
			return true
		}
	}
	return false
}

// fold returns the group/process that machine/process is a copy of, and how
// many copies there are.
func (t Topology) fold(to string) (name string, copies int, ok bool) {
	machine, process, _ := strings.Cut(to, "/")
	i := t.Index(machine)
	if i < 0 {
		return to, 1, false
	}
	group := t.Machines[i].GroupName()
	return group + "/" + process, len(t.MachinesOf(group)), true
}

// EntryText says where users come in: "balancer/haproxy", or by place,
// "far: edge-far/varnish; near: edge-near/varnish".
func (t Topology) EntryText() string {
	if len(t.Entries) == 0 {
		return t.Entry
	}
	var parts []string
	for _, place := range t.Places() {
		parts = append(parts, place+": "+t.Entries[place])
	}
	return strings.Join(parts, "; ")
}
