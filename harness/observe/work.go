// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headroom/harness/record"
	"headroom/targets/machine/spec"
)

// maxWorkAnswer fits 5,000 statements, the most that a database remembers.
const maxWorkAnswer = 16 << 20 // bytes

// Work returns the work of the target's processes, by name. It gives up after 15 s.
func Work(ctx context.Context, target Target) ([]spec.Work, error) {
	body, err := get(ctx, target.AgentURL+spec.WorkPath, target.Nonce, readTimeout, maxWorkAnswer)
	var work []spec.Work
	if err == nil {
		err = json.Unmarshal(body, &work)
	}
	if err != nil {
		return nil, fmt.Errorf("work of machine %s: %w", target.Machine, err)
	}
	return work, nil
}

// Quiet is nil when nothing will go on by the clock in the target's processes for a
// while, and else says what is missing: ask again. It gives up after 15 s.
func Quiet(ctx context.Context, target Target) error {
	if _, err := get(ctx, target.AgentURL+spec.QuiescePath, target.Nonce, readTimeout, maxWorkAnswer); err != nil {
		return fmt.Errorf("machine %s is not quiet: %w", target.Machine, err)
	}
	return nil
}

// AddWork adds to a machine's use the work of its processes between two readings. It
// returns reasons why figures must not be trusted. Counters that did not change are
// left out.
func AddWork(use *record.MachineUse, before, after []spec.Work) []string {
	type name struct{ process, of, name string }
	earlier := map[name]spec.Work{}
	for _, w := range before {
		earlier[name{w.Process, w.Of, w.Name}] = w
	}
	d := &differ{machine: use.Machine}
	for _, w := range after {
		first := earlier[name{w.Process, w.Of, w.Name}]
		done := record.Work{Of: w.Of, Name: w.Name, Counts: map[string]float64{}}
		for _, key := range slices.Sorted(maps.Keys(w.Counts)) {
			if n := difference(d, w.Of+" "+w.Name+" "+key, first.Counts[key], w.Counts[key]); n != 0 {
				done.Counts[key] = n
			}
		}
		i := slices.IndexFunc(use.Processes, func(p record.ProcessUse) bool { return p.Name == w.Process })
		if i >= 0 && len(done.Counts) > 0 {
			use.Processes[i].Work = append(use.Processes[i].Work, done)
		}
	}
	return d.reasons
}
