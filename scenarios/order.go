// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// Needs names the machines that must be ready before the machine starts: those
// that its processes talk to, each once, in the order of the links.
func (m Machine) Needs() []string {
	var names []string
	for _, p := range m.Processes {
		for _, to := range p.talksTo() {
			if name, _, _ := strings.Cut(to, "/"); name != m.Name && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Waves returns the machines in the order in which they may start: each wave
// needs only machines of the waves before it. A cycle of links is an error, and
// so is a link to a machine that is not there.
func (t Topology) Waves() ([][]Machine, error) {
	sorted, err := machineOrder(t.Machines)
	if err != nil {
		return nil, fmt.Errorf("topology %q: %w", t.Label, err)
	}
	waveOf := map[string]int{}
	for _, m := range sorted {
		wave := 0
		for _, name := range m.Needs() {
			if t.Index(name) < 0 {
				return nil, fmt.Errorf("topology %q: machine %s talks to machine %q, which is not there", t.Label, m.Name, name)
			}
			wave = max(wave, waveOf[name]+1)
		}
		waveOf[m.Name] = wave
	}
	var waves [][]Machine
	for _, m := range t.Machines {
		for len(waves) <= waveOf[m.Name] {
			waves = append(waves, nil)
		}
		waves[waveOf[m.Name]] = append(waves[waveOf[m.Name]], m)
	}
	return waves, nil
}

// startOrder sorts machines so that each stands after those its processes
// talk to, and a machine's processes likewise.
func startOrder(machines []Machine) ([]Machine, error) {
	sorted, err := machineOrder(machines)
	if err != nil {
		return nil, err
	}
	for i := range sorted {
		m := &sorted[i]
		own := m.Name + "/"
		m.Processes, err = dependencyOrder(m.Processes, func(p Process) string { return own + p.Name }, func(p Process) []string {
			return slices.DeleteFunc(p.talksTo(), func(to string) bool { return !strings.HasPrefix(to, own) })
		})
		if err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

func machineOrder(machines []Machine) ([]Machine, error) {
	return dependencyOrder(machines, func(m Machine) string { return m.Name }, Machine.Needs)
}

// dependencyOrder sorts items so that each stands after the items that it needs, and
// otherwise keeps their order. It ignores a need that is no item. A cycle is an
// error.
func dependencyOrder[T any](items []T, name func(T) string, needs func(T) []string) ([]T, error) {
	byName := map[string]T{}
	for _, item := range items {
		byName[name(item)] = item
	}
	const visiting, done = 1, 2
	state := map[string]int{}
	var sorted []T
	var visit func(current string, path []string) error
	visit = func(current string, path []string) error {
		path = append(path, current)
		item, known := byName[current]
		switch {
		case !known || state[current] == done:
			return nil
		case state[current] == visiting:
			return fmt.Errorf("cycle in links: %s", strings.Join(path[slices.Index(path, current):], " -> "))
		}
		state[current] = visiting
		for _, other := range needs(item) {
			if err := visit(other, path); err != nil {
				return err
			}
		}
		state[current] = done
		sorted = append(sorted, item)
		return nil
	}
	for _, item := range items {
		if err := visit(name(item), nil); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}
