// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"headroom/internal/maybe"
)

// knownMachine is a machine whose figures are all known, and 0.
func knownMachine() MachineUse {
	zero := maybe.Of(0)
	return MachineUse{
		Machine: "database", WindowS: 1, QuotaCPUs: 1,
		CPUSeconds: zero, ThrottledS: zero, ThrottledPeriods: zero, Periods: zero, MemoryBytes: zero, OOMKills: zero,
		NetRxBytes: zero, NetTxBytes: zero, Processes: []ProcessUse{{Name: "postgres", CPUSeconds: zero, RSSBytes: zero}},
	}
}

func knownDriver() DriverUse {
	zero := maybe.Of(0)
	return DriverUse{CPUSeconds: zero, MaxRSSMB: zero, CPUs: 1, ThrottledS: zero, StolenShare: zero, StolenWorstSecond: zero}
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each figure that is taken away is named, and only its key goes from the JSON.
func TestMachineFigureTakenAway(t *testing.T) {
	if names := knownMachine().NotKnown(); len(names) > 0 {
		t.Fatalf("not known of a machine whose figures are 0: %q", names)
	}
	for _, test := range []struct {
		name, key string
		keys      int // that remain of that name: a process has a cpu_s too
		of        func(*MachineUse) *maybe.Number
	}{
		{"CPU time", "cpu_s", 1, func(m *MachineUse) *maybe.Number { return &m.CPUSeconds }},
		{"throttled time", "throttled_s", 0, func(m *MachineUse) *maybe.Number { return &m.ThrottledS }},
		{"CPU periods", "periods", 0, func(m *MachineUse) *maybe.Number { return &m.Periods }},
		{"throttled CPU periods", "throttled_periods", 0, func(m *MachineUse) *maybe.Number { return &m.ThrottledPeriods }},
		{"memory", "memory_bytes", 0, func(m *MachineUse) *maybe.Number { return &m.MemoryBytes }},
		{"OOM kills", "oom_kills", 0, func(m *MachineUse) *maybe.Number { return &m.OOMKills }},
		{"bytes received", "net_rx_bytes", 0, func(m *MachineUse) *maybe.Number { return &m.NetRxBytes }},
		{"bytes sent", "net_tx_bytes", 0, func(m *MachineUse) *maybe.Number { return &m.NetTxBytes }},
		{"CPU time of process postgres", "cpu_s", 1, func(m *MachineUse) *maybe.Number { return &m.Processes[0].CPUSeconds }},
		{"memory of process postgres", "rss_bytes", 0, func(m *MachineUse) *maybe.Number { return &m.Processes[0].RSSBytes }},
	} {
		m := knownMachine()
		key := `"` + test.key + `":0`
		before := strings.Count(jsonOf(t, m), key)
		*test.of(&m) = maybe.Number{}
		text := jsonOf(t, m)
		if left := strings.Count(text, key); before != test.keys+1 || left != test.keys {
			t.Errorf("%s: %d keys %s, then %d; want %d and %d: %s", test.name, before, test.key, left, test.keys+1, test.keys, text)
		}
		if names := m.NotKnown(); !slices.Equal(names, []string{test.name}) {
			t.Errorf("%s is taken away, but %q are not known", test.name, names)
		}
		var back MachineUse
		if err := json.Unmarshal([]byte(text), &back); err != nil || test.of(&back).Known() || jsonOf(t, back) != text {
			t.Errorf("%s is read back as %+v, error %v", test.name, back, err)
		}
	}
}

func TestDriverFigureTakenAway(t *testing.T) {
	if names := knownDriver().NotKnown(); len(names) > 0 {
		t.Fatalf("not known of a driver whose figures are 0: %q", names)
	}
	for _, test := range []struct {
		name, key string
		of        func(*DriverUse) *maybe.Number
	}{
		{"CPU time", "cpu_s", func(d *DriverUse) *maybe.Number { return &d.CPUSeconds }},
		{"peak memory", "max_rss_mb", func(d *DriverUse) *maybe.Number { return &d.MaxRSSMB }},
		{"throttled time", "throttled_s", func(d *DriverUse) *maybe.Number { return &d.ThrottledS }},
		{"stolen CPU time", "stolen_share", func(d *DriverUse) *maybe.Number { return &d.StolenShare }},
		{"stolen CPU time of the worst second", "stolen_worst_second", func(d *DriverUse) *maybe.Number { return &d.StolenWorstSecond }},
	} {
		d := knownDriver()
		key := `"` + test.key + `":0`
		if text := jsonOf(t, d); !strings.Contains(text, key) {
			t.Errorf("%s that is 0 has no key: %s", test.name, text)
		}
		*test.of(&d) = maybe.Number{}
		if text := jsonOf(t, d); strings.Contains(text, `"`+test.key+`"`) {
			t.Errorf("%s that is not known has a key: %s", test.name, text)
		}
		if names := d.NotKnown(); !slices.Equal(names, []string{test.name}) {
			t.Errorf("%s is taken away, but %q are not known", test.name, names)
		}
		if d.Stolen() {
			t.Errorf("without its %s the driver was robbed", test.name)
		}
	}
}

// Of a run each machine is named once, machines that lack the same together, and
// what only an invalid trial lacks not at all.
func TestNotKnownOfARun(t *testing.T) {
	trial := func(change func(*Trial)) Trial {
		t := Trial{Measurement: Measurement{Driver: knownDriver()}}
		for _, name := range []string{"app-1", "app-2", "database"} {
			m := knownMachine()
			m.Machine = name
			t.Machines = append(t.Machines, m)
		}
		change(&t)
		return t
	}
	lacking := trial(func(t *Trial) {
		t.Measurement.Driver.ThrottledS = maybe.Number{}
		for i := range 2 {
			t.Machines[i].CPUSeconds, t.Machines[i].Unread = maybe.Number{}, []string{"cgroup: cpu.stat: no usage_usec"}
		}
		t.Machines[2].OOMKills = maybe.Number{}
	})
	more := trial(func(t *Trial) { t.Machines[2].NetRxBytes = maybe.Number{} })
	invalid := trial(func(t *Trial) { t.Machines[0].MemoryBytes, t.Invalid = maybe.Number{}, []string{"interrupted"} })
	want := []string{
		"not known of the driver: throttled time; nothing is judged by that",
		"not known of machines app-1, app-2: CPU time (cgroup: cpu.stat: no usage_usec); nothing is judged by that",
		"not known of machine database: OOM kills, bytes received; nothing is judged by that",
	}
	if got := NotKnownOf([]Trial{lacking, lacking, more, invalid}); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	many := trial(func(t *Trial) {
		t.Machines[0].CPUSeconds, t.Machines[0].Unread = maybe.Number{}, []string{"a", "b", "c", "d"}
	})
	if got := NotKnownOf([]Trial{many}); !slices.Equal(got, []string{"not known of machine app-1: CPU time (a; b; c); nothing is judged by that"}) {
		t.Errorf("of many reasons it tells %q", got)
	}
	counted := lacking
	counted.Kind = KindCount
	if got := NotKnownOf([]Trial{counted}); len(got) > 0 {
		t.Errorf("a count is shaped by neither driver nor CPU, and warns of %q", got)
	}
	if got := NotKnownOf([]Trial{trial(func(*Trial) {})}); len(got) > 0 {
		t.Errorf("a trial that lacks nothing: %q", got)
	}
}
