// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// readGate reads the groups of machines that a gate holds against each other.
// Each stands in both variants: there is nothing to compare otherwise.
func readGate(n node, s *Scenario) []string {
	var groups []string
	for _, item := range n.items() {
		group := item.text()
		if slices.Contains(groups, group) {
			item.fail("%q stands twice", group)
		}
		for _, v := range Variants() {
			var known []string
			for _, g := range s.Topology(v).PricedGroups() {
				known = append(known, g.GroupName())
			}
			if !slices.Contains(known, group) {
				item.fail("%s has no machines %q%s", v, group, nearest(group, known))
			}
		}
		groups = append(groups, group)
	}
	if len(groups) == 0 {
		n.fail("names no machines: leave gate out to hold all of them against each other")
	}
	return groups
}
