// Package stage holds what every stage needs, whatever it stands on.
package stage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"headroom/scenarios"
)

// InOrder starts the machines of a topology in the order of their links: start
// is called with each machine and its place in the topology, at once for all
// whose links lead to machines that have started. The first error ends it.
func InOrder(ctx context.Context, t scenarios.Topology, start func(ctx context.Context, m scenarios.Machine, i int) error) error {
	order, err := waves(t)
	if err != nil {
		return err
	}
	index := make(map[string]int, len(t.Machines))
	for i, m := range t.Machines {
		index[m.Name] = i
	}
	for _, wave := range order {
		group, groupCtx := errgroup.WithContext(ctx)
		for _, m := range wave {
			group.Go(func() error { return start(groupCtx, m, index[m.Name]) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// waves returns the machines in the order they may start: each wave links only
// to machines of the waves before it. A cycle is an error.
func waves(t scenarios.Topology) ([][]scenarios.Machine, error) {
	started := make(map[string]bool, len(t.Machines))
	waiting := t.Machines
	var all [][]scenarios.Machine
	for len(waiting) > 0 {
		var wave, later []scenarios.Machine
		for _, m := range waiting {
			if linksAreStarted(m, started) {
				wave = append(wave, m)
			} else {
				later = append(later, m)
			}
		}
		if len(wave) == 0 {
			names := make([]string, 0, len(later))
			for _, m := range later {
				names = append(names, m.Name)
			}
			return nil, fmt.Errorf("topology %q: machines %s wait for each other, or for one that is not there", t.Label, strings.Join(names, ", "))
		}
		for _, m := range wave {
			started[m.Name] = true
		}
		all = append(all, wave)
		waiting = later
	}
	return all, nil
}

func linksAreStarted(m scenarios.Machine, started map[string]bool) bool {
	for _, p := range m.Processes {
		for _, link := range p.Links {
			for _, to := range link.To {
				machine, _, _ := strings.Cut(to, "/")
				if machine != m.Name && !started[machine] {
					return false
				}
			}
		}
	}
	return true
}

// NeedsDataset says whether one of the machine's databases starts from the
// seeded data: all do but replicas, which copy their primary.
func NeedsDataset(m scenarios.Machine) bool {
	for _, p := range m.Processes {
		isReplica := slices.ContainsFunc(p.Links, func(l scenarios.Link) bool { return l.Role == scenarios.RolePrimary })
		if p.Kind == scenarios.KindPostgres && !isReplica {
			return true
		}
	}
	return false
}

// Runs says whether one of the machine's processes is of the kind.
func Runs(m scenarios.Machine, kind scenarios.Kind) bool {
	for _, p := range m.Processes {
		if p.Kind == kind {
			return true
		}
	}
	return false
}
