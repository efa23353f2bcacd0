// SPDX-License-Identifier: Apache-2.0

// Package record is the waist of headroom: what one measured slice is, and the
// trials file that holds them, one JSON line each. Everything after it
// (comparison, verdicts, reports, gates) reads only this.
//
// Terms and rules are those of docs/measurement.md.
package record

import (
	"cmp"
	"fmt"
	"time"

	"headroom/internal/maybe"
	"headroom/scenarios"
)

// SchemaVersion is written to every line; a reader refuses other versions.
const SchemaVersion = 2

// Line is one line of a trials file: exactly one of its fields is set. The
// first line is a Run, the last of a run that ended by itself an End.
type Line struct {
	Schema  int      `json:"schema"`
	Run     *Run     `json:"run,omitempty"`
	Trial   *Trial   `json:"trial,omitempty"`
	Restart *Restart `json:"restart,omitempty"`
	End     *End     `json:"end,omitempty"`
}

// Run is what all trials of a file share.
type Run struct {
	ID          string             `json:"id"` // phase3-20261123-141500
	StartedAt   time.Time          `json:"started_at"`
	Quick       bool               `json:"quick"`
	Scenario    scenarios.Scenario `json:"scenario"`
	Seed        uint64             `json:"seed"`
	Blocks      int                `json:"blocks"`
	Shares      Shares             `json:"shares"`
	Environment Environment        `json:"environment"`
	Prove       scenarios.Variant  `json:"prove,omitempty"` // whose bottleneck was to be proved; "" none's
}

// Shares says how the machine under the run was shared out, in CPUs.
type Shares struct {
	HostCPUs     float64                       `json:"host_cpus"`
	UnitCPUs     float64                       `json:"unit_cpus"` // one vCPU of the real system is this many CPUs here
	DriverCPUs   float64                       `json:"driver_cpus"`
	ReserveCPUs  float64                       `json:"reserve_cpus"` // left to the kernel, the engine and the conductor
	PeriodMicros int64                         `json:"period_us"`    // of the CPU quota
	VariantCPUs  map[scenarios.Variant]float64 `json:"variant_cpus"` // sum of a variant's quotas; one variant is loaded at a time
}

// The stages, as Environment names them.
const (
	StageDocker  = "docker"
	StageProcess = "process" // machines share the host's cores, without limits
)

// Environment is where a trial was measured. Two trials are comparable in
// time only when theirs agree.
type Environment struct {
	Headroom    string            `json:"headroom"` // version or commit of the binary
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	Kernel      string            `json:"kernel"`
	CPUModel    string            `json:"cpu_model"`
	CPUs        int               `json:"cpus"`
	MemoryBytes maybe.Number      `json:"memory_bytes,omitzero"`
	Stage       string            `json:"stage"`  // StageDocker, StageProcess
	Engine      string            `json:"engine"` // "docker 20.10.24"
	CgroupMode  string            `json:"cgroup"` // "v1" or "v2"
	ImageDigest string            `json:"image_digest"`
	Packages    map[string]string `json:"packages"`     // of the image: postgresql-17 -> 17.6-0+deb13u1; of the process stage: postgres -> what it says of itself
	NetworkPath string            `json:"network_path"` // how requests reach the target
	// Images are those of the scenario's own, by what the scenario says of each
	// ("postgres:17", "build ."): the engine's digest of what ran.
	Images map[string]string `json:"images,omitempty"`
	// Beside is why other measurements on this machine were not waited for:
	// "--beside", or why its lock could not be taken. "": the machine was the
	// run's alone.
	Beside string `json:"beside,omitempty"`
}

// HasQuotas says whether each machine had a CPU quota of its own: without one all
// shared the host's cores, so that absolute rates are the host's.
func (e Environment) HasQuotas() bool { return e.Stage != StageProcess }

// BesideNote says of a measurement in words what it means that others were not
// waited for; "" for one that had the machine alone.
func BesideNote(beside string) string {
	if beside == "" {
		return ""
	}
	return fmt.Sprintf("did not wait for its turn (%s): another measurement may have run beside it", beside)
}

// TrialKind says what a trial was measured for.
type TrialKind string

// The kinds of trial.
const (
	KindProbe TrialKind = "probe" // a step of the search for a variant's capacity
	KindSlice TrialKind = "slice" // a slice of a block, to be compared
	KindCount TrialKind = "count" // one endpoint alone, one request in flight: what each makes the system do
)

// What a trial was measured for, as RateName says it.
const (
	RateCommon                      = scenarios.RateCommon // slices at one rate for all variants
	RateBracket  scenarios.RateName = "bracket"            // short steps that find the neighbourhood of the capacity
	RateStairs   scenarios.RateName = "stairs"             // steps of a staircase about the capacity
	RateSoak     scenarios.RateName = "soak"               // a long stretch just below it
	RateOverload scenarios.RateName = "overload"           // more than the capacity, for a moment
	RateRecover  scenarios.RateName = "recover"            // less, right behind that
	RateCurve    scenarios.RateName = "curve"              // one of several rates, for the load-latency curve
	RateProof    scenarios.RateName = "proof"              // a step of a bottleneck's proof
	RateGate     scenarios.RateName = "gate"               // a gate's slices, at one rate for both variants
	RateIdle     scenarios.RateName = "idle"               // of a counted run: what the machines do when nobody asks
)

// Trial is the stored record of one slice.
type Trial struct {
	Kind    TrialKind         `json:"kind"`
	Variant scenarios.Variant `json:"variant"`
	Block   int               `json:"block"` // 1.. for slices; 0 for probes, but of a proof the turn, from 1
	Order   int               `json:"order"` // position in the run, from 1
	// RateName is of a slice the rate's name, of a probe what it was for: see RateCommon
	// and below. Of a counted trial it is the endpoint's name.
	RateName    scenarios.RateName `json:"rate_name"`
	StartedAt   time.Time          `json:"started_at"`
	Measurement Measurement        `json:"measurement"`
	Machines    []MachineUse       `json:"machines"` // what every machine of the loaded variant used during the slice
	Environment Environment        `json:"environment"`
	Queues      []Queue            `json:"queues,omitempty"`
	Oracles     []Oracle           `json:"oracles,omitempty"` // of the scenario's, in its order
	// Resize is set in the steps of a bottleneck's proof: what they measured is
	// not the scenario's variant, so nothing but the proof may use them.
	Resize *Resize `json:"resize,omitempty"`
	// Invalid holds every reason why this trial must not be averaged in: the
	// driver's own, then those that only the conductor can see (throttled
	// driver, restarts, steal).
	Invalid []string `json:"invalid,omitempty"`
	// Verdict is what the trial says of the run's SLO; nil in files of before it
	// was stored.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Outcome is what a stretch of load at one rate says of an SLO.
type Outcome string

// The outcomes. No certainty is asked of the first two: a step at the limit
// comes out as the one or the other.
const (
	Held      Outcome = "held"      // the share of bad requests was at most the allowed one
	Failed    Outcome = "failed"    // it was larger, or a queue has grown
	Spoiled   Outcome = "spoiled"   // the driver or the host was disturbed: it says nothing of the system
	Saturated Outcome = "saturated" // the driver had no more to give
)

// Verdict is an outcome with what it rests on. Package slo makes it.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"` // why it did not hold
	Counts  []Count `json:"counts,omitempty"` // of each condition
}

// Count is how many requests, or checks, broke one condition of an SLO.
type Count struct {
	Condition string  `json:"condition"` // "p99<250ms"
	Bad       int64   `json:"bad"`
	Of        int64   `json:"of"`
	Allowed   float64 `json:"allowed"` // share that may be bad
	// Burst is how many bad requests were seen to come together, at least 1; 0
	// where that was not worked out.
	Burst float64 `json:"burst,omitempty"`
}

// Queue is a queue's depth, each second from the slice's beginning on.
type Queue struct {
	Machine string  `json:"machine"`
	Process string  `json:"process"`
	Depth   []int64 `json:"depth"` // what waits, and what is being worked on
	Put     []int64 `json:"put"`   // what was ever put into it
}

// Oracle is what one check found in a slice. Zero checks is "not measured",
// with Unknown as the reason, and never "no violations".
type Oracle struct {
	Name       scenarios.OracleName `json:"name"`            // one of scenarios.Oracles()
	Scope      string               `json:"scope,omitempty"` // of what: "replica-1", "orders"; "" is all
	Checked    int64                `json:"checked"`
	Violations int64                `json:"violations"`
	Unknown    string               `json:"unknown,omitempty"` // why some or all could not be checked
	// Age is how stale the violating reads were, or a replica's lag; nil where
	// there is none.
	Age *Histogram `json:"age,omitempty"`
	// LagBytes are quantiles of a replica's lag in bytes of write-ahead log:
	// "p50", "p99", "max".
	LagBytes map[string]float64 `json:"lag_bytes,omitempty"`
	Example  string             `json:"example,omitempty"` // one violation in words
}

// ResizeStep says which of a proof's three systems a trial belongs to.
type ResizeStep string

// The steps of a proof.
const (
	ResizeBase  ResizeStep = "base"  // no machine larger than the others
	ResizeNamed ResizeStep = "named" // the machines named as the bottleneck
	ResizeOther ResizeStep = "other" // some that are not the bottleneck
)

// Resize says how a proof changed a variant's CPU quotas for a trial.
type Resize struct {
	Step   ResizeStep `json:"step"`
	Group  string     `json:"group,omitempty"` // whose machines are larger; "" at the base
	Factor float64    `json:"factor"`          // how many times as large; 1 at the base
	// Scale is what all machines' quotas were multiplied by, so that the larger
	// ones fit in too.
	Scale float64 `json:"scale"`
	Round int     `json:"round"` // from 1: each measures all three
}

// Valid says whether the trial may take part in a comparison.
func (t *Trial) Valid() bool { return len(t.Invalid) == 0 }

// End closes the file.
type End struct {
	At          time.Time `json:"at"`
	Interrupted bool      `json:"interrupted"`
	Reason      string    `json:"reason,omitempty"` // why it ended early
}

// Measurement is what the driver saw in one slice.
type Measurement struct {
	// Began is when the schedule did, the warm-up included.
	Began      time.Time `json:"began,omitzero"`
	Arrivals   string    `json:"arrivals"`
	OfferedRPS float64   `json:"offered_rps"` // the schedule's rate; 0 for --rate max
	// AchievedRPS is how many correct answers came within the slice, by its
	// length: an answer that comes after the slice's end is none of its
	// throughput, whenever it was asked for.
	AchievedRPS float64 `json:"achieved_rps"`
	DurationS   float64 `json:"duration_s"` // of the schedule, warm-up excluded
	WarmupS     float64 `json:"warmup_s"`   // sent before, not recorded
	Seed        uint64  `json:"seed"`

	Planned   int64            `json:"planned"` // = Sent + Unsent
	Sent      int64            `json:"sent"`    // = Succeeded + Failed
	Succeeded int64            `json:"succeeded"`
	Failed    int64            `json:"failed"`
	Unsent    int64            `json:"unsent"`           // due, but the in-flight cap or the end left no room
	Clipped   int64            `json:"clipped"`          // beyond the histogram; recorded + clipped = sent
	Answered  int64            `json:"answered"`         // correct answers that came within the slice
	Errors    map[string]int64 `json:"errors,omitempty"` // by class: timeout, refused, reset, status_5xx, wrong_body, ...
	// ErrorTexts are the words of the first failure of each class.
	ErrorTexts map[string]string `json:"error_texts,omitempty"`
	// Retried counts second sends: requests that went out again on another
	// connection, because the first one ended before any byte of an answer.
	Retried int64 `json:"retried,omitempty"`
	// Waited counts requests that waited for a connection of the driver while
	// all that it may open were busy.
	Waited   int64            `json:"waited,omitempty"`
	Status   map[string]int64 `json:"status,omitempty"` // by code
	BytesIn  int64            `json:"bytes_in"`
	BytesOut int64            `json:"bytes_out"`

	// Response runs from the intended send, Service from the actual one. A
	// timeout enters at no less than the timeout.
	Response        Histogram `json:"response"`         // of all requests sent
	ResponseSuccess Histogram `json:"response_success"` // of successes only
	Service         Histogram `json:"service"`
	SendLag         Histogram `json:"send_lag"` // actual minus intended send: DriverLag and the wait for a free connection
	// DriverLag is the driver's own part of SendLag: from the intended send to
	// the moment the request was handed to a connection, or to the queue for
	// one when all were busy. A slow target cannot raise it, so validity is
	// judged on it.
	DriverLag Histogram `json:"driver_lag"`

	Endpoints []EndpointMeasurement `json:"endpoints,omitempty"`
	Timeline  []Second              `json:"timeline,omitempty"`
	// Answers is when answers came; empty in files of before it was stored.
	Answers Answers `json:"answers,omitzero"`

	// Protocol is what the connections spoke: "HTTP/2 over TLS 1.3".
	Protocol    string      `json:"protocol,omitempty"`
	Connections Connections `json:"connections,omitzero"`

	MaxInFlight    int64            `json:"max_in_flight"`
	InFlightCap    int              `json:"in_flight_cap"`
	Driver         DriverUse        `json:"driver"`
	Interrupted    bool             `json:"interrupted,omitempty"`
	InvalidReasons []string         `json:"invalid_reasons,omitempty"` // the driver's own verdict on the slice
	Counts         map[string]int64 `json:"counts,omitempty"`          // of response headers the driver was asked to count, e.g. "X-Cache: hit"
	Oracles        []Oracle         `json:"oracles,omitempty"`         // what the driver itself could check
	// Created samples what answers acknowledged, by table, for the oracles that
	// look for it afterwards; at most some thousands each.
	Created map[string][]Created `json:"created,omitempty"`
}

// Connections counts the driver's connections.
type Connections struct {
	Cap    int   `json:"cap"`    // open at most
	Most   int64 `json:"most"`   // open at once, at some time
	Opened int64 `json:"opened"` // newly, before the slice and within it
}

// Created is one thing whose creation was acknowledged.
type Created struct {
	ID      int64 `json:"id"`
	Session int64 `json:"session,omitempty"`
}

// EndpointMeasurement is one endpoint's share of a Measurement.
type EndpointMeasurement struct {
	Name      string    `json:"name"`
	Sent      int64     `json:"sent"`
	Succeeded int64     `json:"succeeded"`
	Failed    int64     `json:"failed"`
	BytesIn   int64     `json:"bytes_in"`
	Response  Histogram `json:"response"`
}

// Second is one second of the timeline, by intended send.
type Second struct {
	Second   int       `json:"second"`
	Sent     int64     `json:"sent"`
	Failed   int64     `json:"failed"`
	InFlight int64     `json:"in_flight"` // at the second's end
	Response Histogram `json:"response"`
}

// Answers counts the correct answers by when they came, whenever they were asked
// for: from Measurement.Began on, the warm-up included, to the schedule's end. The
// timeline goes by intended send, and what could not be sent stands nowhere in
// it, so it can't tell how long nothing came.
type Answers struct {
	StepS  float64 `json:"step_s"` // each count is of so many seconds
	Counts []int64 `json:"counts"`
}

// DriverUse is what the driver itself used. A figure that could not be read has no
// key.
type DriverUse struct {
	CPUSeconds maybe.Number `json:"cpu_s,omitzero"`
	MaxRSSMB   maybe.Number `json:"max_rss_mb,omitzero"`
	CPUs       float64      `json:"cpus"` // what it may use: its quota, or its cores, which are always told
	ThrottledS maybe.Number `json:"throttled_s,omitzero"`
	// StolenShare is how much of all its cores' time the host lost to the
	// hypervisor.
	StolenShare maybe.Number `json:"stolen_share,omitzero"`
	// StolenWorstSecond is that share of the second in which it was largest; 0
	// in slices of less than a second.
	StolenWorstSecond maybe.Number `json:"stolen_worst_second,omitzero"`
	Saturated         bool         `json:"saturated,omitempty"` // it had no more to give
	// Limit names what of the driver's own ran out: LimitConnections,
	// LimitPorts, LimitFiles or LimitCPU; "" nothing did.
	Limit string `json:"limit,omitempty"`
}

// What a driver can run out of.
const (
	LimitConnections = "connections"
	LimitPorts       = "local ports"
	LimitFiles       = "open files"
	LimitCPU         = "CPU"
)

// MaxStolenShare is how much the hypervisor may take in a valid slice, and
// maxStolenSecond in its worst second when the SLO failed meanwhile.
const (
	MaxStolenShare  = 0.02
	maxStolenSecond = 0.10
)

// Stolen says that the hypervisor took so much that an SLO may have failed by
// that alone: what it takes, it takes from the system too. A share that is not
// known says nothing: NotKnown names it.
func (d DriverUse) Stolen() bool {
	return d.StolenShare.OrNaN() > MaxStolenShare || d.StolenWorstSecond.OrNaN() > maxStolenSecond
}

// MachineUse is the difference of a machine's counters over one slice. A figure
// that could not be read at both ends has no key, and Unread says why. The window
// is plain, as a slice without it is invalid; what the machine may use is the
// stage's own setting.
type MachineUse struct {
	Machine          string       `json:"machine"`
	Group            string       `json:"group"`
	External         bool         `json:"external,omitempty"`
	WindowS          float64      `json:"window_s"`   // between the two readings
	QuotaCPUs        float64      `json:"quota_cpus"` // what it may use here
	CPUSeconds       maybe.Number `json:"cpu_s,omitzero"`
	ThrottledS       maybe.Number `json:"throttled_s,omitzero"`
	ThrottledPeriods maybe.Number `json:"throttled_periods,omitzero"`
	Periods          maybe.Number `json:"periods,omitzero"`
	MemoryBytes      maybe.Number `json:"memory_bytes,omitzero"` // at the end
	MemoryLimitBytes int64        `json:"memory_limit_bytes"`    // 0: none
	OOMKills         maybe.Number `json:"oom_kills,omitzero"`
	NetRxBytes       maybe.Number `json:"net_rx_bytes,omitzero"`
	NetTxBytes       maybe.Number `json:"net_tx_bytes,omitzero"`
	Processes        []ProcessUse `json:"processes"`
	Unread           []string     `json:"unread,omitempty"` // why a figure is not known
}

// GroupName is the name that the machine and its copies share.
func (m MachineUse) GroupName() string { return cmp.Or(m.Group, m.Machine) }

// ProcessUse is the difference of one process's counters over one slice.
// Counts keep the keys of spec.ProcessCounters less the "_total"; gauges are
// a reading in the middle of the slice, or at its end where that failed.
type ProcessUse struct {
	Name       string             `json:"name"`
	Kind       scenarios.KindName `json:"kind"`
	CPUSeconds maybe.Number       `json:"cpu_s,omitzero"`
	RSSBytes   maybe.Number       `json:"rss_bytes,omitzero"`
	Counts     map[string]float64 `json:"counts,omitempty"`
	Work       []Work             `json:"work,omitempty"` // in trials of kind count
}

// Sum adds up the counts of some keys. A key that the process did not tell adds
// nothing.
func (p ProcessUse) Sum(keys []string) float64 {
	sum := 0.0
	for _, key := range keys {
		sum += p.Counts[key]
	}
	return sum
}

// Work is what a process did of one sort during a trial, by name.
type Work struct {
	Of     string             `json:"of"`   // "statement", "table" or "command": see spec.Work
	Name   string             `json:"name"` // the statement's text, the table's or the command's name
	Counts map[string]float64 `json:"counts"`
}
