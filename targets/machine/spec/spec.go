// SPDX-License-Identifier: Apache-2.0

// Package spec is the contract between a stage and a machine. Spec, handed in as
// JSON, says what the machine runs. Counters, from the agent's /observe, are what the
// machine says about itself.
package spec

import (
	"cmp"
	"net"
	"strconv"

	"headroom/internal/maybe"
	"headroom/scenarios"
)

// AgentPort is where every machine's agent listens: GET /ready (200 when every
// process answers, else 503 with the reason), GET /observe (Counters), GET /work
// (Work), GET /lag (LagSample), POST /rows (RowsRequest) and POST /ask (Question). All carry the
// run's nonce in the header NonceHeader.
const AgentPort = scenarios.AgentPort

// NonceHeader proves that an answer comes from this run's own machine.
const NonceHeader = "X-Headroom-Nonce"

// EnvSpec is the environment variable that hands a machine its Spec as JSON.
const EnvSpec = "HEADROOM_MACHINE"

// Paths inside a machine.
const (
	DatasetDir  = "/dataset"               // what processes begin with, read-only: a folder a process
	OwnDir      = "/own"                   // the volume of a machine that runs an image of the user's own
	DataDir     = "/var/lib/headroom"      // a volume of this machine alone
	VersionsTxt = "/etc/headroom-versions" // "package version" lines, written when the image is built
)

// Spec is what one machine runs.
type Spec struct {
	Machine   string    `json:"machine"`
	Local     *Local    `json:"local,omitempty"` // nil: the machine has its host to itself, as in a container
	Nonce     string    `json:"nonce"`
	Processes []Process `json:"processes"` // in start order
	Seed      *Seed     `json:"seed,omitempty"`
	Begin     *Begin    `json:"begin,omitempty"`
}

// Seed has the machine make a dataset with its only process, and end.
type Seed struct {
	Dir     string   `json:"dir"`               // where the dataset is to be
	Key     string   `json:"key"`               // names what is in it
	Command []string `json:"command,omitempty"` // makes the data, beside the process
	// Made is the folder of data that were made elsewhere, in an image of the user's
	// own: the machine runs no process and no command, and keeps a copy of the data.
	Made string `json:"made,omitempty"`
	// FilesDir is the command's working folder, with the files that it reads; "": it
	// reads none.
	FilesDir string `json:"files_dir,omitempty"`
}

// Dataset is what a process begins with.
type Dataset struct {
	Dir string `json:"dir"`
	Key string `json:"key"` // what must be in it
}

// DatasetMarker is the file in a dataset's folder that is written last: a Marker as
// JSON. A dataset without one is not whole.
const DatasetMarker = "COMPLETE"

// Marker says what a finished dataset holds.
type Marker struct {
	Key string `json:"key"`
}

// Begin makes the machine one that copies a dataset into a folder, and ends: the folder
// is that of a process in an image of the user's own, where nobody could copy.
type Begin struct {
	Dataset Dataset `json:"dataset"`
	To      string  `json:"to"`
}

// Local sets a machine apart from the others that share its host. Such a
// machine has no cgroup and no network of its own: its counters are the sums
// of its processes.
type Local struct {
	Address string `json:"address"` // a loopback address that is this machine's alone
	DataDir string `json:"data_dir"`
}

// DataDir is where the machine's processes keep their data.
func (s Spec) DataDir() string {
	if s.Local == nil {
		return DataDir
	}
	return s.Local.DataDir
}

// AgentAddress is where the machine's agent listens, as host:port.
func (s Spec) AgentAddress() string {
	host := ""
	if s.Local != nil {
		host = s.Local.Address
	}
	return net.JoinHostPort(host, strconv.Itoa(AgentPort))
}

// Process is one program with everything resolved: its address, its settings
// and, for each role, the host:port of what it talks to.
type Process struct {
	Name     string                      `json:"name"`
	Kind     scenarios.KindName          `json:"kind"`
	Facts    scenarios.Facts             `json:"-"`                 // its kind's: whoever reads the spec knows the kinds
	Address  string                      `json:"address,omitempty"` // listens there only; "" is everywhere
	Port     int                         `json:"port"`
	Settings map[string]string           `json:"settings,omitempty"`
	Links    map[scenarios.Role][]string `json:"links,omitempty"`
	Dataset  *Dataset                    `json:"dataset,omitempty"` // nil: it begins with nothing
	// Service is how the process runs where the scenario says so, the addresses of its
	// links filled in; nil: its kind's code runs it.
	Service *scenarios.Service `json:"service,omitempty"`
	// CopyNumber says which of the CopyCount machines of its group the machine is, from
	// 1. NodeID is the place of the machine in the whole topology, from 0.
	CopyNumber int `json:"copy"`
	CopyCount  int `json:"copies"`
	NodeID     int `json:"node"`
}

// Listen is where the process listens, as host:port or :port.
func (p Process) Listen() string { return net.JoinHostPort(p.Address, strconv.Itoa(p.Port)) }

// LocalAddress is where its own machine reaches the process, as host:port.
func (p Process) LocalAddress() string {
	return net.JoinHostPort(cmp.Or(p.Address, ownHost), strconv.Itoa(p.Port))
}

// Counters is a machine's state at one moment. All fields that end in _total
// only grow while the machine runs: two readings make a difference. A figure that
// could not be read has no key, and Unread says why.
//
// The times are plain: an agent that can't read its clock names it in Errors.
type Counters struct {
	Machine          string            `json:"machine"`
	AtUnixNano       int64             `json:"at_unix_ns"` // for people; durations come from MonotonicNano
	MonotonicNano    int64             `json:"monotonic_ns"`
	StartedUnixNano  int64             `json:"started_unix_ns"` // a change between two readings is a restart
	CPUSecondsTotal  maybe.Number      `json:"cpu_s_total,omitzero"`
	ThrottledSTotal  maybe.Number      `json:"throttled_s_total,omitzero"`
	PeriodsTotal     maybe.Number      `json:"periods_total,omitzero"`           // CPU bandwidth periods
	ThrottledPeriods maybe.Number      `json:"throttled_periods_total,omitzero"` // of which throttled
	MemoryBytes      maybe.Number      `json:"memory_bytes,omitzero"`            // working set: usage less inactive file cache
	OOMKillsTotal    maybe.Number      `json:"oom_kills_total,omitzero"`
	NetRxBytesTotal  maybe.Number      `json:"net_rx_bytes_total,omitzero"`
	NetTxBytesTotal  maybe.Number      `json:"net_tx_bytes_total,omitzero"`
	Processes        []ProcessCounters `json:"processes"`
	Unread           []string          `json:"unread,omitempty"` // why a figure above, or of a process, is not known: "source: reason"
	// Errors are faults that make what is measured invalid: a program that does not run, a
	// kind's counters that could not be asked for.
	Errors []string `json:"errors,omitempty"`
}

// NetworkOutside is the reason in Unread of a machine that is seen from outside: its
// network is its own. An engine that counts what goes through may know better.
const NetworkOutside = "network: the machine is seen from outside"

// ProcessCounters is one process of a machine, children included.
type ProcessCounters struct {
	Name            string             `json:"name"`
	Kind            scenarios.KindName `json:"kind"`
	CPUSecondsTotal maybe.Number       `json:"cpu_s_total,omitzero"`
	RSSBytes        maybe.Number       `json:"rss_bytes,omitzero"`
	// Counts holds what only this kind has, by stable names that the kind's folder
	// lists. A name of a total ends in _total.
	Counts map[string]float64 `json:"counts,omitempty"`
}
