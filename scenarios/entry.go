// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"maps"
	"slices"
)

// readEntry reads `machine/process`, or a mapping of names to them where users
// come from several places.
func (t *Topology) readEntry(n node) {
	if !n.isMapping() {
		t.Entry = t.readEntryAddress(n)
		return
	}
	t.Entries = map[string]string{}
	for _, f := range n.fields() {
		if !machineName.MatchString(f.key) {
			f.value.fail("%q is no name of a place: use lower-case letters, digits and dashes", f.key)
		}
		t.Entries[f.key] = t.readEntryAddress(f.value)
		if t.Entry == "" {
			t.Entry = t.Entries[f.key]
		}
	}
	if len(t.Entries) == 0 {
		n.fail("users need at least one entry, for example balancer/haproxy")
	}
}

func (t *Topology) readEntryAddress(n node) string {
	address := n.text()
	if found := t.match(address); len(found) != 1 {
		n.fail("%q is not exactly one process of this topology%s", address, nearest(address, t.Addresses()))
	}
	return address
}

// EntryOf is the process that requests from a place go to.
func (t Topology) EntryOf(from string) string {
	if from == "" {
		return t.Entry
	}
	return t.Entries[from]
}

// Places are where users come from, in order: a single "" where there is one
// entry.
func (t Topology) Places() []string {
	if len(t.Entries) == 0 {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(t.Entries))
}

// FindEntry returns the process that requests from a place go to.
func (t Topology) FindEntry(from string) (PlacedProcess, error) {
	at, err := t.Find(t.EntryOf(from))
	if err != nil && from != "" {
		return PlacedProcess{}, fmt.Errorf("entry %s: %w", from, err)
	}
	if err != nil {
		return PlacedProcess{}, fmt.Errorf("entry: %w", err)
	}
	return at, nil
}

// checkEntries holds both variants' entries against where the mix comes from.
func checkEntries(mix node, s *Scenario) {
	if s.Before.Entry == "" || s.After.Entry == "" {
		return // already complained of
	}
	if !sameKeys(s.Before.Entries, s.After.Entries) {
		mix.fail("before and after must have entries of the same names: the same users talk to both")
		return
	}
	for _, e := range s.Load.Mix {
		if _, known := s.Before.Entries[e.From]; e.From != "" && !known {
			mix.fail("%q comes from %q, which is no entry of the topologies", e.Name, e.From)
		}
		if e.From == "" && len(s.Before.Entries) > 1 {
			mix.fail("%q must say where it comes from: the topologies have several entries", e.Name)
		}
	}
}

func sameKeys(a, b map[string]string) bool {
	return maps.EqualFunc(a, b, func(string, string) bool { return true })
}
