// SPDX-License-Identifier: Apache-2.0

// Package scenarios holds what an experiment is, before anything runs: the
// question, two variants of a system, the load, the SLO and the claims.
//
// A Scenario is parsed once, strictly, and never changes afterwards. The
// package imports nothing else of headroom; everything else imports it.
package scenarios

import "time"

// Variant names one side of the experiment.
type Variant string

// The two variants of every scenario.
const (
	Before Variant = "before"
	After  Variant = "after"
)

// Variants lists both variants in reading order.
func Variants() []Variant { return []Variant{Before, After} }

// Scenario is one before/after experiment.
type Scenario struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Question string   `json:"question"`
	Sources  []string `json:"sources"` // the articles the phase comes from
	Load     Load     `json:"load"`
	SLO      SLO      `json:"slo"`
	Before   Topology `json:"before"`
	After    Topology `json:"after"`
	// Kinds are the kinds of both variants' processes, by name: a reader of the trials
	// file needs no other list.
	Kinds  []Kind  `json:"kinds"`
	Claims []Claim `json:"claims"`
	// Oracles are the checks that run with the load, by their names: see
	// Oracles().
	Oracles []OracleName `json:"oracles,omitempty"`
	// Gate names the machine groups whose CPU time `headroom gate` holds against
	// each other; none: every priced group of both variants.
	Gate []string `json:"gate,omitempty"`
}

// Topology returns the topology of variant v.
func (s *Scenario) Topology(v Variant) Topology {
	if v == After {
		return s.After
	}
	return s.Before
}

// Topology is the machines of one variant and, through their processes, the
// links between them. Machines stand in start order: a process links only to
// processes of its own machine that stand before it, or of other machines.
type Topology struct {
	Label string `json:"label"` // "tuned single server"
	Entry string `json:"entry"` // machine/process that users talk to
	// Entries are the entries by place, where users are in several places:
	// Endpoint.From names the place. Entry is the first of them then.
	Entries  map[string]string `json:"entries,omitempty"`
	Machines []Machine         `json:"machines"`
}

// Machine is a priced size that runs one or more processes. Copies are
// already expanded: five apps are app-1 ... app-5 with Group "app".
type Machine struct {
	Name      string  `json:"name"`
	Group     string  `json:"group"`
	Size      string  `json:"size"`       // key of the price book
	VCPU      float64 `json:"vcpu"`       // of the real machine
	MemoryGiB float64 `json:"memory_gib"` // of the real machine
	// QuotaShare is how much of its size's CPU the machine may use, 0..1; 0 is all. It
	// plants a difference, to see what a comparison finds.
	QuotaShare float64   `json:"quota_share,omitempty"`
	External   bool      `json:"external"` // somebody else's system, e.g. a mail provider: neither priced nor a bottleneck
	Processes  []Process `json:"processes"`
}

// Process is one program on a machine.
type Process struct {
	Name     string            `json:"name"` // unique on its machine
	Kind     KindName          `json:"kind"`
	Facts    Facts             `json:"facts"` // its kind's; of a service what its file says
	Port     int               `json:"port"`
	Settings map[string]string `json:"settings,omitempty"` // all of its kind's, checked
	// Seed is the command that makes the data that the process begins with, in words;
	// {copy} and {copies} stand for which copy of its machine it is on. None: the
	// process begins empty, or as a copy of the process that it follows.
	Seed []string `json:"seed,omitempty"`
	// SeedFiles are what the command finds in its folder, by their paths from the
	// scenario file's folder.
	SeedFiles []File   `json:"seed_files,omitempty"`
	Links     []Link   `json:"links,omitempty"`
	Service   *Service `json:"service,omitempty"` // how it runs; nil where its kind's code knows
}

// Link says that a process talks to others in a role that its kind names.
type Link struct {
	Role Role     `json:"role"`
	To   []string `json:"to"` // machine/process, copies expanded
}

// Load is the traffic, the same for both variants.
type Load struct {
	Arrivals            string          `json:"arrivals"` // "poisson" or "constant"
	Timeout             time.Duration   `json:"timeout_ns"`
	RequestsPerUserPerS float64         `json:"requests_per_user_per_s"`
	Keys                map[string]Keys `json:"keys"` // by placeholder: "user", "post", "term", "asset"
	Mix                 []Endpoint      `json:"mix"`
	MaxInFlight         int             `json:"max_in_flight"`
	Connections         int             `json:"connections"` // open at most; 0: as many as requests in flight
	WarmupSeconds       float64         `json:"warmup_s"`
}

// Keys says how a placeholder of a path or body, such as {user}, is drawn:
// from 1..Count, by rank, with the hot ranks scattered over the range.
type Keys struct {
	Distribution string  `json:"distribution"` // "zipf" or "uniform"
	Exponent     float64 `json:"exponent"`     // of zipf; 0 otherwise
	Count        int     `json:"count"`
}

// Endpoint is one kind of request of the mix.
type Endpoint struct {
	Name   string  `json:"name"` // "GET /api/users/{user}", unique in the mix
	Method string  `json:"method"`
	Path   string  `json:"path"` // with placeholders
	Body   string  `json:"body,omitempty"`
	Weight float64 `json:"weight"`           // share of the mix, 0..1; the mix sums to 1
	Expect string  `json:"expect,omitempty"` // a substring that a correct answer's body holds, with placeholders
	From   string  `json:"from,omitempty"`   // which of Topology.Entries it is sent to
	// Session is who sends it, with a placeholder: "{user}". It goes into the
	// header X-Session.
	Session string `json:"session,omitempty"`
	// Object is the versioned thing that it reads (GET) or writes, with a
	// placeholder: "user {user}". Version is where the answer shows the version
	// that was read or acknowledged: see VersionAt.
	Object  string    `json:"object,omitempty"`
	Version Extractor `json:"version,omitzero"`
	// Creates is the table, "orders", in which the answer acknowledges a new row.
	// ID is where the answer shows the row's id: see IDAt.
	Creates string    `json:"creates,omitempty"`
	ID      Extractor `json:"id,omitzero"`
}

// Claim is a sentence with a number that the scenario tests.
type Claim struct {
	ID     string    `json:"id"`
	Source string    `json:"source"`
	Text   string    `json:"text"`
	Metric MetricKey `json:"metric"` // a key of the comparison, e.g. "db_cpu_ms_per_request"
	// At names the rate at which the metric is read: RateCommon, RateHigh or RateOfRun.
	At RateName `json:"at"`
	// Compare is what Op and Value speak of: "ratio" (after/before), "before"
	// or "after".
	Compare string  `json:"compare"`
	Op      string  `json:"op"` // "<=" or ">="
	Value   float64 `json:"value"`
}
