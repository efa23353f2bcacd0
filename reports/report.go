// SPDX-License-Identifier: Apache-2.0

// Package reports turns the trials of a run into the report that people and
// programs read.
//
//  1. Build computes one Report value from the trials file's content and a
//     price book. It is pure: no clock, no disk, no network.
//  2. WriteTerminal, WriteHTML and WriteJSON write that value, and nothing
//     that is not in it. The same trials give the same bytes.
package reports

import (
	"slices"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// SchemaVersion is that of report.json.
const SchemaVersion = 2

// Report is everything that a run has shown. Names carry units: _ms
// milliseconds, _rps requests per second of the scaled-down system, _usd US
// dollars, a share 0..1.
type Report struct {
	Schema      int                `json:"schema"`
	Quick       bool               `json:"quick"`       // a quick run is not evidence
	Interrupted bool               `json:"interrupted"` // ended early, or was cut off
	Marks       []string           `json:"marks"`       // of the two, for people: shown on every output
	RunID       string             `json:"run_id"`
	StartedAt   time.Time          `json:"started_at"`
	Seed        uint64             `json:"seed"`
	Scenario    Scenario           `json:"scenario"`
	Answer      []string           `json:"answer"` // sentences made from the figures
	Variants    []Variant          `json:"variants"`
	Overall     []Row              `json:"overall"` // capacity and cost, at no rate
	BreakEven   string             `json:"break_even"`
	NotCharged  string             `json:"not_charged,omitempty"` // prices of the book that no variant pays
	CostCurve   []CostPoint        `json:"cost_curve"`            // by number of users; empty without a capacity
	Rates       []Rate             `json:"rates"`
	Earlier     []string           `json:"earlier_runs,omitempty"` // whose scatter is in what is detectable
	Chance      string             `json:"by_chance,omitempty"`    // how many of the rates' intervals can be expected to miss
	Oracles     []OracleRow        `json:"oracles"`                // what the change breaks; empty without checks
	Claims      []compare.Result   `json:"claims"`
	Validity    Validity           `json:"validity"`
	Silences    []compare.Silence  `json:"silences,omitempty"` // stretches without a correct answer
	Shares      record.Shares      `json:"shares"`
	Environment record.Environment `json:"environment"`
	Prices      cost.Book          `json:"prices"`
	Method      []string           `json:"method"`
	Warnings    []string           `json:"warnings"`
}

// AllMarks are the report's marks, and the mark of a run that did not wait for its
// turn.
func (r Report) AllMarks() []string {
	if note := record.BesideNote(r.Environment.Beside); note != "" {
		return append(slices.Clone(r.Marks), note)
	}
	return r.Marks
}

// Scenario is what was asked.
type Scenario struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Question string   `json:"question"`
	Sources  []string `json:"sources"`
	SLO      string   `json:"slo"`
	// SLOQuantile and SLOLatencyMS are its first condition on the latency of
	// all requests; 0 without one.
	SLOQuantile  float64 `json:"slo_quantile"`
	SLOLatencyMS float64 `json:"slo_latency_ms"`
	Traffic      string  `json:"traffic"` // arrivals and mix in words
	Dataset      string  `json:"dataset"` // the seed commands, each once; "" without any
}

// Variant is one side: what it is, its capacity and its cost.
type Variant struct {
	Variant  scenarios.Variant `json:"variant"`
	Label    string            `json:"label"`
	Entry    string            `json:"entry"`
	Machines []Machine         `json:"machines"`
	Capacity slo.Capacity      `json:"capacity"`
	// CapacityText is the capacity in words: "1,790 (1,650-1,930), confirmed: 1,660
	// held for 60 s".
	CapacityText string `json:"capacity_text"`
	// Load is the load-latency curve, by offered rate.
	Load []LoadPoint `json:"load"`
	// Bottleneck says in a sentence what limits it, and by how much.
	Bottleneck string `json:"bottleneck"`
	// Demand is what each machine and process did at the capacity.
	Demand Demand `json:"demand"`
	// Proof is what came of making the bottleneck larger; null: not asked for.
	Proof     *compare.Proof `json:"proof,omitempty"`
	ProofText string         `json:"proof_text,omitempty"`
	Bill      cost.Bill      `json:"bill"`
	// Users is how many the capacity carries on machines of full size; 0 without
	// one.
	Users float64 `json:"users"`
	// EgressPerUserUSD is a month's price of what a user downloads; 0 when the
	// price book has none.
	EgressPerUserUSD float64 `json:"egress_per_user_usd"`
}

// Machine is one machine of a topology, or several that are alike, with its
// share of this one.
type Machine struct {
	Name      string    `json:"name"`   // of several, their group's
	Copies    int       `json:"copies"` // how many are alike
	Size      string    `json:"size"`
	VCPU      float64   `json:"vcpu"`
	MemoryGiB float64   `json:"memory_gib"`
	QuotaCPUs float64   `json:"quota_cpus"` // 0 when no slice tells
	External  bool      `json:"external"`
	Processes []Process `json:"processes"`
}

// Process is one process of a machine.
type Process struct {
	Name     string             `json:"name"`
	Kind     scenarios.KindName `json:"kind"`
	Settings map[string]string  `json:"settings,omitempty"` // those that say something
	Links    []string           `json:"links,omitempty"`    // "database: shard/postgres x4"
}

// Rate is all that was measured at one rate.
type Rate struct {
	Name       scenarios.RateName `json:"name"`       // "common"
	Meaning    string             `json:"meaning"`    // what the name stands for
	BeforeRPS  float64            `json:"before_rps"` // offered; 0 without a valid slice
	AfterRPS   float64            `json:"after_rps"`
	Blocks     []int              `json:"blocks"`  // with valid slices of both
	Invalid    []string           `json:"invalid"` // of a variant that has no valid slice: why
	Rows       []Row              `json:"rows"`
	Details    []Row              `json:"details"` // by endpoint and machine
	Bottleneck Bottleneck         `json:"bottleneck"`
	Curves     []Curve            `json:"curves"`
	Timeline   []Second           `json:"timeline"`
	Machines   []Utilisation      `json:"machines"`
}

// Bottleneck names each variant's machine with the largest demand per CPU.
type Bottleneck struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Row is one metric of both variants.
type Row struct {
	compare.Metric
	Before compare.Level  `json:"before"`
	After  compare.Level  `json:"after"`
	Effect compare.Effect `json:"effect"`
}

// Curve is one percentile of both variants' response times.
type Curve struct {
	Percentile float64  `json:"percentile"`
	BeforeMS   *float64 `json:"before_ms"` // null: too few samples
	AfterMS    *float64 `json:"after_ms"`
}

// Second is one second of all valid slices laid over one another.
type Second struct {
	Second      int      `json:"second"`
	BeforeP50MS *float64 `json:"before_p50_ms"`
	BeforeP95MS *float64 `json:"before_p95_ms"`
	AfterP50MS  *float64 `json:"after_p50_ms"`
	AfterP95MS  *float64 `json:"after_p95_ms"`
}

// Utilisation is a machine's CPU use over its quota.
type Utilisation struct {
	Machine string   `json:"machine"`
	Before  *float64 `json:"before_share"` // null: not there, no quota, or its CPU time is not known
	After   *float64 `json:"after_share"`
}

// Validity says what was set aside.
type Validity struct {
	Slices        int               `json:"slices"`
	InvalidSlices int               `json:"invalid_slices"`
	Probes        int               `json:"probes"`
	InvalidProbes int               `json:"invalid_probes"`
	JudgedProbes  int               `json:"judged_probes"` // invalid too, but their verdict is clear
	Invalid       []compare.Invalid `json:"invalid"`
	// NotKnown are the figures that could not be read: no slice was checked by them.
	NotKnown []string `json:"not_known,omitempty"`
}

// SetAside are the slices and steps that take no part at all.
func (v Validity) SetAside() []compare.Invalid {
	return slices.DeleteFunc(slices.Clone(v.Invalid), func(i compare.Invalid) bool { return i.Judged != "" })
}
