// SPDX-License-Identifier: Apache-2.0

// Package record is the waist of headroom: the record of one measured slice, and the
// trials file, which holds one record a JSON line. Comparisons, verdicts, reports and
// gates read the trials file alone.
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
	Prove       scenarios.Variant  `json:"prove,omitempty"` // whose bottleneck was to be proved; "": nobody's
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

// Environment is where a trial was measured. The times of two trials are comparable
// only when their environments agree.
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
	// Images holds the engine's digest of each image of the scenario's own, by the
	// scenario's words for the image ("postgres:17", "build .").
	Images map[string]string `json:"images,omitempty"`
	// Beside is why the run did not wait for other measurements on this machine:
	// "--beside", or why the machine's lock could not be taken. "": the run had the
	// machine for itself.
	Beside string `json:"beside,omitempty"`
}

// HasQuotas says whether each machine had a CPU quota of its own. Without quotas all
// machines share the host's cores, so absolute rates depend on the host.
func (e Environment) HasQuotas() bool { return e.Stage != StageProcess }

// BesideNote says in words that a measurement did not wait for others; "" for a
// measurement that had the machine for itself.
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
	KindCount TrialKind = "count" // the work for one endpoint alone, with one request in flight
)

// What a trial was measured for, as RateName says it.
const (
	RateCommon                      = scenarios.RateCommon // slices at one rate for all variants
	RateBracket  scenarios.RateName = "bracket"            // short steps that find the neighbourhood of the capacity
	RateStairs   scenarios.RateName = "stairs"             // steps of a staircase about the capacity
	RateSoak     scenarios.RateName = "soak"               // a long stretch just below it
	RateOverload scenarios.RateName = "overload"           // more than the capacity, for a moment
	RateRecover  scenarios.RateName = "recover"            // less than the capacity, right after the overload
	RateCurve    scenarios.RateName = "curve"              // one of several rates, for the load-latency curve
	RateProof    scenarios.RateName = "proof"              // a step of a bottleneck's proof
	RateGate     scenarios.RateName = "gate"               // a gate's slices, at one rate for both variants
	RateIdle     scenarios.RateName = "idle"               // of a counted run: what the machines do without requests
)

// Trial is the stored record of one slice.
type Trial struct {
	Kind    TrialKind         `json:"kind"`
	Variant scenarios.Variant `json:"variant"`
	Block   int               `json:"block"` // 1.. for slices, 0 for probes; in a proof the turn, from 1
	Order   int               `json:"order"` // position in the run, from 1
	// RateName is a slice's rate by name, or a probe's purpose (RateCommon and below).
	// In a counted trial RateName is the endpoint's name.
	RateName    scenarios.RateName `json:"rate_name"`
	StartedAt   time.Time          `json:"started_at"`
	Measurement Measurement        `json:"measurement"`
	Machines    []MachineUse       `json:"machines"` // what every machine of the loaded variant used during the slice
	Environment Environment        `json:"environment"`
	Queues      []Queue            `json:"queues,omitempty"`
	Oracles     []Oracle           `json:"oracles,omitempty"` // of the scenario's, in its order
	// Resize is set in the steps of a bottleneck's proof. These steps did not measure
	// the scenario's variant, so only the proof may use them.
	Resize *Resize `json:"resize,omitempty"`
	// Invalid holds every reason why this trial must not be averaged in. The driver's
	// reasons come first, then those that only the conductor sees, such as restarts.
	Invalid []string `json:"invalid,omitempty"`
	// Verdict says whether the trial held the run's SLO; nil in older files, which
	// stored no verdict.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Outcome says whether a stretch of load at one rate held an SLO.
type Outcome string

// The outcomes. The first two need no certainty: a step at the capacity may hold or
// fail. Files call an invalid trial "spoiled".
const (
	Held      Outcome = "held"      // the share of bad requests was at most the allowed one
	Failed    Outcome = "failed"    // the share was larger, or a queue grew
	Invalid   Outcome = "spoiled"   // the driver or the host was disturbed: the trial does not count
	Saturated Outcome = "saturated" // the driver had no more to give
)

// Verdict is an outcome with its reasons and counts. Package slo makes verdicts.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"` // why the trial did not hold
	Counts  []Count `json:"counts,omitempty"` // of each condition
}

// Count is how many requests, or checks, broke one condition of an SLO.
type Count struct {
	Condition string  `json:"condition"` // "p99<250ms"
	Bad       int64   `json:"bad"`
	Of        int64   `json:"of"`
	Allowed   float64 `json:"allowed"` // share that may be bad
	// Burst is the variance of the number of bad requests a second over its mean, at
	// least 1: how many come together, if all bursts are equal. 0: not computed.
	Burst float64 `json:"burst,omitempty"`
}

// Queue is a queue's depth, each second from the slice's beginning on.
type Queue struct {
	Machine string  `json:"machine"`
	Process string  `json:"process"`
	Depth   []int64 `json:"depth"` // jobs that wait or are being worked on
	Put     []int64 `json:"put"`   // jobs that ever entered the queue
}

// Oracle is the finding of one check in a slice. Zero checks mean "not measured", with
// Unknown as the reason, and never "no violations".
type Oracle struct {
	Name       scenarios.OracleName `json:"name"`            // one of scenarios.Oracles()
	Scope      string               `json:"scope,omitempty"` // of what: "replica-1", "orders"; "" is all
	Checked    int64                `json:"checked"`
	Violations int64                `json:"violations"`
	Unknown    string               `json:"unknown,omitempty"` // why some or all could not be checked
	// Age is how stale the violating reads were, or a replica's lag; nil without
	// either.
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
	ResizeOther ResizeStep = "other" // machines that are not the bottleneck
)

// Resize says how a proof changed a variant's CPU quotas for a trial.
type Resize struct {
	Step   ResizeStep `json:"step"`
	Group  string     `json:"group,omitempty"` // whose machines are larger; "" at the base
	Factor float64    `json:"factor"`          // how many times as large; 1 at the base
	// Scale is the factor on the quotas of all machines, so that the host has room
	// for the larger machines.
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

// Measurement is the driver's record of one slice.
type Measurement struct {
	// Began is when the schedule began, with the warm-up.
	Began      time.Time `json:"began,omitzero"`
	Arrivals   string    `json:"arrivals"`
	OfferedRPS float64   `json:"offered_rps"` // the schedule's rate; 0 for --rate max
	// AchievedRPS is the number of correct answers within the slice, divided by the
	// slice's length. An answer after the slice's end does not count, whenever its
	// request was sent.
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
	// Retried counts second sends, on another connection, of requests whose first
	// connection ended before any byte of an answer.
	Retried int64 `json:"retried,omitempty"`
	// Waited counts requests that waited because all of the driver's connections
	// were busy.
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
	// DriverLag is the driver's own part of SendLag: from the intended send until the
	// driver dispatched the request to a connection, or to the queue when all
	// connections were busy. A slow target cannot raise DriverLag, so validity is
	// judged by it.
	DriverLag Histogram `json:"driver_lag"`

	Endpoints []EndpointMeasurement `json:"endpoints,omitempty"`
	Timeline  []Second              `json:"timeline,omitempty"`
	// Answers is when answers came; empty in older files, which did not store it.
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
	// Created is a sample of the rows whose creation was acknowledged, by table. Oracles
	// look for these rows afterwards. A table has some thousands at most.
	Created map[string][]Created `json:"created,omitempty"`
}

// Connections counts the driver's connections.
type Connections struct {
	Cap    int   `json:"cap"`    // open at most
	Most   int64 `json:"most"`   // open at once, at some time
	Opened int64 `json:"opened"` // newly, before the slice and within it
}

// Created is one row whose creation was acknowledged.
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

// Answers counts the correct answers by the time of their arrival, whenever their
// requests were sent. It covers Measurement.Began, which is before the warm-up, to the
// schedule's end. The timeline can't show how long no answer came: it goes by intended
// send, and leaves out unsent requests.
type Answers struct {
	StepS  float64 `json:"step_s"` // each count is of so many seconds
	Counts []int64 `json:"counts"`
}

// DriverUse is what the driver itself used. A figure that could not be read has no key.
type DriverUse struct {
	CPUSeconds maybe.Number `json:"cpu_s,omitzero"`
	MaxRSSMB   maybe.Number `json:"max_rss_mb,omitzero"`
	CPUs       float64      `json:"cpus"` // what the driver may use: its quota, or its cores, which are always known
	ThrottledS maybe.Number `json:"throttled_s,omitzero"`
	// StolenShare is the share of the host's CPU time that the hypervisor took.
	StolenShare maybe.Number `json:"stolen_share,omitzero"`
	// StolenWorstSecond is the stolen share of the worst second; 0 in slices of less
	// than a second.
	StolenWorstSecond maybe.Number `json:"stolen_worst_second,omitzero"`
	Saturated         bool         `json:"saturated,omitempty"` // the driver could not send more
	// Limit names the driver's own resource that ran out: LimitConnections,
	// LimitPorts, LimitFiles or LimitCPU; "": none.
	Limit string `json:"limit,omitempty"`
}

// The resources that a driver can run out of.
const (
	LimitConnections = "connections"
	LimitPorts       = "local ports"
	LimitFiles       = "open files"
	LimitCPU         = "CPU"
)

// MaxStolenShare is the share that the hypervisor may take of a valid slice. If the SLO
// failed, maxStolenSecond is the share that it may take of the worst second.
const (
	MaxStolenShare  = 0.02
	maxStolenSecond = 0.10
)

// Stolen says that the hypervisor took so much CPU time, also from the system, that this
// alone may have failed the SLO. An unknown share does not count as stolen; NotKnown
// names it.
func (d DriverUse) Stolen() bool {
	return d.StolenShare.OrNaN() > MaxStolenShare || d.StolenWorstSecond.OrNaN() > maxStolenSecond
}

// MachineUse is the difference of a machine's counters over one slice. A figure that
// could not be read at both ends has no key, and Unread says why. The window is always
// known, because a slice without a window is invalid. What the machine may use is the
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

// ProcessUse is the difference of one process's counters over one slice. Counts has the
// keys of spec.ProcessCounters without "_total". Gauges are read in the middle of the
// slice, or at its end if the middle reading failed.
type ProcessUse struct {
	Name       string             `json:"name"`
	Kind       scenarios.KindName `json:"kind"`
	CPUSeconds maybe.Number       `json:"cpu_s,omitzero"`
	RSSBytes   maybe.Number       `json:"rss_bytes,omitzero"`
	Counts     map[string]float64 `json:"counts,omitempty"`
	Work       []Work             `json:"work,omitempty"` // in trials of kind count
}

// Sum adds up the counts of the given keys. A key that the process lacks adds nothing.
func (p ProcessUse) Sum(keys []string) float64 {
	sum := 0.0
	for _, key := range keys {
		sum += p.Counts[key]
	}
	return sum
}

// Work is a process's work of one sort during a trial, by name.
type Work struct {
	Of     string             `json:"of"`   // "statement", "table" or "command": see spec.Work
	Name   string             `json:"name"` // the statement's text, the table's or the command's name
	Counts map[string]float64 `json:"counts"`
}
