// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// fact is what may be true of a process.
type fact func(scenarios.Facts) bool

// isDatabase is true of a process that keeps the dataset's rows.
func isDatabase(f scenarios.Facts) bool { return f.Database }

// counting is true of a process that counts something.
func counting(meaning scenarios.Meaning) fact {
	return func(f scenarios.Facts) bool { return f.Counts(meaning) }
}

// place is a process and its machine.
type place struct{ machine, process string }

// addFacts keeps what the run's scenario tells of a machine's processes in a variant.
func (s *Sample) addFacts(v scenarios.Variant, use record.MachineUse) {
	for _, p := range use.Processes {
		at := place{use.Machine, p.Name}
		if _, learnt := s.facts[at]; learnt {
			continue
		}
		facts, known := s.scenario.FactsOf(v, use.Machine, p.Name, p.Kind)
		if !known {
			facts = scenarios.Facts{Label: string(p.Kind)} // its name is all that is known of the kind
		}
		s.facts[at] = facts
	}
}

// factsOf are what the run's scenario tells of a process.
func (s Sample) factsOf(m record.MachineUse, p record.ProcessUse) scenarios.Facts {
	return s.facts[place{m.Machine, p.Name}]
}

// each calls f for every process that a fact is true of, and says whether there was
// any.
func (s Sample) each(is fact, f func(record.MachineUse, record.ProcessUse)) bool {
	found := false
	for _, m := range s.machines {
		for _, p := range m.Processes {
			if is(s.factsOf(m, p)) {
				found = true
				f(m, p)
			}
		}
	}
	return found
}

// count adds up all counters of one meaning; false when no process told one. Times
// are in ms, whatever the processes tell them in.
func (s Sample) count(meaning scenarios.Meaning) (sum float64, found bool) {
	s.each(counting(meaning), func(m record.MachineUse, p record.ProcessUse) {
		for _, c := range s.factsOf(m, p).Counters {
			if v, told := p.Counts[c.Key]; told && c.Meaning == meaning {
				sum, found = sum+v*counterScale(c), true
			}
		}
	})
	return sum, found
}

// counterScale brings a counter to its meaning's unit: ms for times.
func counterScale(c scenarios.Counter) float64 {
	if c.Unit == "s" {
		return 1e3
	}
	return 1
}

// Gauge is the gauges of one meaning of all processes together, in the mean over
// the readings; 0 when there is none.
func (s Sample) Gauge(meaning scenarios.Meaning) float64 {
	sum, _ := s.count(meaning)
	return sum / float64(max(s.Slices, 1))
}

// WhoCounts are the processes that count something, as people say it: "PostgreSQL".
func (s Sample) WhoCounts(meaning scenarios.Meaning) string {
	return s.labels(counting(meaning), "the database")
}

// uncounted says that no process told a counter. none names who should have, where no
// process of the scenario counts it.
func (s Sample) uncounted(meaning scenarios.Meaning, none, what string) string {
	return fmt.Sprintf("%s's %s were not counted", s.labels(counting(meaning), none), what)
}

// labels names the processes that a fact is true of: those that were read, else those
// of the scenario. Without any the name is none.
func (s Sample) labels(is fact, none string) string {
	var labels []string
	add := func(f scenarios.Facts) {
		if is(f) && !slices.Contains(labels, f.Label) {
			labels = append(labels, f.Label)
		}
	}
	for _, m := range s.machines {
		for _, p := range m.Processes {
			add(s.factsOf(m, p))
		}
	}
	if len(labels) == 0 && s.scenario != nil {
		for _, f := range s.scenario.AllFacts() {
			add(f)
		}
	}
	if len(labels) == 0 {
		return none
	}
	return strings.Join(labels, ", ")
}
