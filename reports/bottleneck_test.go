// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// sampleOf is one second at 100 requests/s of 50 ms each.
func sampleOf(machines ...record.MachineUse) compare.Sample {
	t := record.Trial{Machines: machines}
	t.Measurement = record.Measurement{OfferedRPS: 100, DurationS: 1, Planned: 100, Sent: 100, Succeeded: 100}
	for range 100 {
		t.Measurement.Response.Record(50e6)
	}
	return compare.Pool([]record.Trial{t}, kinds.Data())
}

func machineUse(name, group string, cpus float64, processes ...record.ProcessUse) record.MachineUse {
	return record.MachineUse{Machine: name, Group: group, WindowS: 1, QuotaCPUs: 0.5, CPUSeconds: maybe.Of(cpus), Processes: processes}
}

// withoutCPU is a machine whose CPU time could not be read.
func withoutCPU(m record.MachineUse) record.MachineUse {
	m.CPUSeconds = maybe.Number{}
	return m
}

func TestBottleneckSentence(t *testing.T) {
	postgres := func(cpu float64, counts map[string]float64) record.ProcessUse {
		return record.ProcessUse{Name: "postgres", Kind: "postgres", CPUSeconds: maybe.Of(cpu), Counts: counts}
	}
	shop := func(cpu, waited float64) record.ProcessUse {
		return record.ProcessUse{Name: "shop", Kind: "shop", CPUSeconds: maybe.Of(cpu), Counts: map[string]float64{"pool_wait_s": waited}}
	}
	haproxy := func(queue float64) record.ProcessUse {
		return record.ProcessUse{Name: "haproxy", Kind: "haproxy", Counts: map[string]float64{"queue": queue}}
	}
	for _, test := range []struct {
		name     string
		machines []record.MachineUse
		want     string
	}{
		{"nothing is known", nil, ""},
		{"one process", []record.MachineUse{machineUse("db", "db", 0.46, postgres(0.4, nil)), machineUse("app", "app", 0.3, shop(0.3, 2))},
			"db: PostgreSQL uses 92% of its 0.5 CPUs at 100 requests/s, 4.60 ms of CPU a request; next app with 60%"},
		{"several processes", []record.MachineUse{machineUse("server", "server", 0.45, shop(0.15, 0), postgres(0.3, nil))},
			"server: 90% of its 0.5 CPUs at 100 requests/s (PostgreSQL 60%, the shop 30%), 4.50 ms of CPU a request"},
		{"copies", []record.MachineUse{machineUse("app-1", "app", 0.45, shop(0.4, 0)), machineUse("app-2", "app", 0.44, shop(0.4, 0)), machineUse("db", "db", 0.2, postgres(0.2, nil))},
			"app: the shop uses 89% of the 0.5 CPUs of each of 2 machines at 100 requests/s, 4.45 ms of CPU a request on each; next db with 40%"},
		{"a pool", []record.MachineUse{machineUse("db", "db", 0.2, postgres(0.2, nil)), machineUse("app", "app", 0.1, shop(0.1, 2))},
			"not CPU alone: the busiest machine is db: PostgreSQL uses 40% of its 0.5 CPUs at 100 requests/s, 2.00 ms of CPU a request; a request waits 20.0 ms for a database connection; next app with 20%"},
		{"statements that wait", []record.MachineUse{machineUse("db", "db", 0.2, postgres(0.2, map[string]float64{"statement_ms": 4000}))},
			"not CPU alone: the busiest machine is db: PostgreSQL uses 40% of its 0.5 CPUs at 100 requests/s, 2.00 ms of CPU a request; a request's statements take 40.0 ms in PostgreSQL with 2.00 ms of CPU: the rest is waiting, for locks, the disk or a turn"},
		{"locks", []record.MachineUse{machineUse("db", "db", 0.2, postgres(0.2, map[string]float64{"statement_ms": 4000, "lock_waiters": 6}))},
			"not CPU alone: the busiest machine is db: PostgreSQL uses 40% of its 0.5 CPUs at 100 requests/s, 2.00 ms of CPU a request; 6.00 statements of PostgreSQL wait for locks"},
		{"a queue", []record.MachineUse{machineUse("balancer", "balancer", 0.1, haproxy(7))},
			"not CPU alone: the busiest machine is balancer: HAProxy uses 20% of its 0.5 CPUs at 100 requests/s, 1.00 ms of CPU a request; 7.00 requests queue in HAProxy for a free server"},
		{"a machine's CPU is not known", []record.MachineUse{withoutCPU(machineUse("db", "db", 0.46, postgres(0.4, nil))), machineUse("app", "app", 0.3, shop(0.3, 0))},
			"not known: CPU not known of db; the busiest of the others is app: the shop uses 60% of its 0.5 CPUs at 100 requests/s, 3.00 ms of CPU a request"},
		{"one of two copies is not known", []record.MachineUse{withoutCPU(machineUse("app-1", "app", 0.45, shop(0.4, 0))), machineUse("app-2", "app", 0.44, shop(0.4, 0)), machineUse("db", "db", 0.2, postgres(0.2, nil))},
			"not known: CPU not known of app-1; the busiest of the others is app-2: the shop uses 88% of its 0.5 CPUs at 100 requests/s, 4.40 ms of CPU a request; next db with 40%"},
		{"no machine's CPU is known", []record.MachineUse{withoutCPU(machineUse("db", "db", 0.46, postgres(0.4, nil)))}, "not known: CPU not known of db"},
		{"a process's CPU is not known", []record.MachineUse{machineUse("server", "server", 0.45, shop(0.15, 0), record.ProcessUse{Name: "postgres", Kind: "postgres"})},
			"server: 90% of its 0.5 CPUs at 100 requests/s (the shop 30%, PostgreSQL not known), 4.50 ms of CPU a request"},
	} {
		if got := bottleneckSentence(sampleOf(test.machines...)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// A proof's sentence ends with what may have kept a machine from using more CPU.
func TestProofTextWarns(t *testing.T) {
	p := &compare.Proof{Reason: "scatter", Steps: 12, Invalid: 2, Warnings: []string{"app may be odd", "cache too"}}
	if got, want := proofText(p), "unproved: scatter; 2 of 12 steps were invalid and take no part; app may be odd; cache too"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every page says what came of the proof, and what it measured on machines of
// other sizes changes nothing else.
func TestProofStandsOnEveryOutput(t *testing.T) {
	run := syntheticRun()
	plain := build(t, run, syntheticTrials(3), &record.End{})
	run.Prove = scenarios.After
	for _, test := range []struct {
		proof []record.Trial
		want  string
	}{
		{proofTrials(1.2, 1), "proved: capacity "},
		{proofTrials(1, 1), "unproved, the capacity rose by less than 5% with app larger: capacity "},
		{nil, "unproved: nothing was measured for it"},
	} {
		r := build(t, run, append(syntheticTrials(3), test.proof...), &record.End{})
		var page, terminal, machine bytes.Buffer
		if err := errors.Join(WriteHTML(&page, r), WriteTerminal(&terminal, r, Terminal{Width: 1000}), WriteJSON(&machine, r)); err != nil {
			t.Fatal(err)
		}
		for name, out := range map[string]string{"page": page.String(), "terminal": terminal.String(), "JSON": machine.String()} {
			if !strings.Contains(out, test.want[1:]) { // the page begins it with a capital
				t.Errorf("the %s does not say %q", name, test.want)
			}
		}
		for i, v := range r.Variants {
			if v.Variant == scenarios.Before && v.ProofText != "" {
				t.Errorf("before, which nobody asked about: %s", v.ProofText)
			}
			if v.CapacityText != plain.Variants[i].CapacityText || len(v.Load) != len(plain.Variants[i].Load) || v.Bottleneck != plain.Variants[i].Bottleneck {
				t.Errorf("%s: the proof's steps changed the capacity, the curve or the bottleneck", v.Variant)
			}
		}
		if r.Validity.Probes != plain.Validity.Probes {
			t.Errorf("%d probes of the search, without the proof %d", r.Validity.Probes, plain.Validity.Probes)
		}
	}
}
