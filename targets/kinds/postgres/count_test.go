// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"reflect"
	"slices"
	"testing"

	"headroom/targets/machine/spec"
)

func TestByText(t *testing.T) {
	one := func(name string, calls float64) spec.Work {
		return spec.Work{Of: spec.WorkStatement, Name: name, Counts: map[string]float64{"calls": calls}}
	}
	got := byText([]spec.Work{
		one("SELECT id\n\tFROM users", 2), one("SELECT id FROM users", 3), one("SELECT "+spec.UnaskedMark+" pg_stat_force_next_flush()", 9),
		one("SELECT "+spec.UnaskedMark+"\n EXISTS (SELECT FROM pg_stat_wal_receiver)", 1), one("SELECT $1", 1),
		// What requests ask for is counted, whatever it calls.
		one("SELECT pg_advisory_xact_lock($1)", 4), one("SELECT /* a comment */ pg_sleep($1)", 2),
	})
	want := []spec.Work{one("SELECT id FROM users", 5), one("SELECT $1", 1), one("SELECT pg_advisory_xact_lock($1)", 4), one("SELECT /* a comment */ pg_sleep($1)", 2)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What the kind says that it counts is among what the agent is told.
func TestKindCountsWhatIsTold(t *testing.T) {
	for _, c := range Kind().Facts.Counters {
		name := c.SourceKey()
		if !slices.Contains(pgCountNames, name) {
			t.Errorf("%s is not among %v", name, pgCountNames)
		}
	}
}
