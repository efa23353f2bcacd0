// SPDX-License-Identifier: Apache-2.0

// Package spec is the contract between a stage and a machine: what the machine
// is to run (Spec, handed in as JSON), and what it answers about itself
// (Counters, from its agent's /observe).
package spec

import (
	"cmp"
	"net"
	"strconv"

	"headroom/scenarios"
)

// AgentPort is where every machine's agent listens: GET /ready (200 when every
// process answers, else 503 with the reason), GET /observe (Counters), GET /work
// (Work), GET /lag (LagSample), POST /rows (RowsRequest) and POST /ask (Question). All carry the
// run's nonce in the header NonceHeader.
const AgentPort = 9900

// NonceHeader proves that an answer comes from this run's own machine.
const NonceHeader = "X-Headroom-Nonce"

// EnvSpec is the environment variable that hands a machine its Spec as JSON.
const EnvSpec = "HEADROOM_MACHINE"

// Paths inside a machine.
const (
	DatasetDir  = "/dataset"               // the seeded PostgreSQL data directory, read-only
	DataDir     = "/var/lib/headroom"      // a volume of this machine alone
	VersionsTxt = "/etc/headroom-versions" // "package version" lines, written when the image is built
)

// Spec is what one machine runs.
type Spec struct {
	Machine   string            `json:"machine"`
	Local     *Local            `json:"local,omitempty"` // nil: the machine has its host to itself, as in a container
	Nonce     string            `json:"nonce"`
	Dataset   scenarios.Dataset `json:"dataset"`
	Processes []Process         `json:"processes"` // in start order
}

// Local sets a machine apart from the others that share its host. Such a
// machine has no cgroup and no network of its own: its counters are the sums
// of its processes.
type Local struct {
	Address    string `json:"address"` // a loopback address that is this machine's alone
	DataDir    string `json:"data_dir"`
	DatasetDir string `json:"dataset_dir"`
}

// Dirs returns where the machine keeps its data and where the dataset is.
func (s Spec) Dirs() (data, dataset string) {
	if s.Local == nil {
		return DataDir, DatasetDir
	}
	return s.Local.DataDir, s.Local.DatasetDir
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
	Kind     scenarios.Kind              `json:"kind"`
	Address  string                      `json:"address,omitempty"` // listens there only; "" is everywhere
	Port     int                         `json:"port"`
	Settings map[string]string           `json:"settings,omitempty"`
	Links    map[scenarios.Role][]string `json:"links,omitempty"`
	// Copy of Copies says which of its group the machine is, from 1; Node is
	// its place in the whole topology, from 0.
	Copy   int `json:"copy"`
	Copies int `json:"copies"`
	Node   int `json:"node"`
}

// Listen is where the process listens, as host:port or :port.
func (p Process) Listen() string { return net.JoinHostPort(p.Address, strconv.Itoa(p.Port)) }

// Near is where its own machine reaches the process, as host:port.
func (p Process) Near() string {
	return net.JoinHostPort(cmp.Or(p.Address, ownHost), strconv.Itoa(p.Port))
}

// Counters is a machine's state at one moment. All fields that end in _total
// only grow while the machine runs: two readings make a difference.
type Counters struct {
	Machine          string            `json:"machine"`
	AtUnixNano       int64             `json:"at_unix_ns"` // for people; durations come from MonotonicNano
	MonotonicNano    int64             `json:"monotonic_ns"`
	StartedUnixNano  int64             `json:"started_unix_ns"` // a change between two readings is a restart
	CPUSecondsTotal  float64           `json:"cpu_s_total"`
	ThrottledSTotal  float64           `json:"throttled_s_total"`
	PeriodsTotal     int64             `json:"periods_total"`           // CPU bandwidth periods
	ThrottledPeriods int64             `json:"throttled_periods_total"` // of which throttled
	MemoryBytes      int64             `json:"memory_bytes"`            // working set: usage less inactive file cache
	OOMKillsTotal    int64             `json:"oom_kills_total"`
	NetRxBytesTotal  int64             `json:"net_rx_bytes_total"`
	NetTxBytesTotal  int64             `json:"net_tx_bytes_total"`
	Processes        []ProcessCounters `json:"processes"`
	Errors           []string          `json:"errors,omitempty"` // what could not be read, and why
}

// ProcessCounters is one process of a machine, children included.
type ProcessCounters struct {
	Name            string         `json:"name"`
	Kind            scenarios.Kind `json:"kind"`
	CPUSecondsTotal float64        `json:"cpu_s_total"`
	RSSBytes        int64          `json:"rss_bytes"`
	// Counts holds what only this kind has. Keys are stable names:
	//   postgres: statements_total, statement_ms_total, rows_total (rows returned),
	//     tuples_read_total (heap tuples read by seq and index scans, user tables),
	//     blocks_hit_total, blocks_read_total, wal_bytes_total, commits_total,
	//     deadlocks_total, connections, lock_waiters
	//   valkey: hits_total, misses_total, evictions_total, keys, memory_bytes
	//   haproxy: requests_total, errors_total, queue
	//   varnish: requests_total, hits_total, misses_total, passes_total, purges_total,
	//     evictions_total, backend_requests_total (to the origin), errors_total
	//     (of the origin), objects, bytes (of storage)
	//   nats, all streams and their consumers together: streams, messages and bytes
	//     (stored now), published_total; consumers, pending (not yet delivered),
	//     ack_pending (delivered, not yet acknowledged), redelivered (of those,
	//     more than once), delivered_total (each delivery counts), acked_total
	//     (deliveries before the first that is not acknowledged)
	//   shop: requests_total, pool_acquires_total, pool_wait_s_total, pool_max,
	//     cache_hits_total, cache_misses_total,
	//     cache_passes_total (reads of sessions that wrote lately),
	//     cache_errors_total, feed_requests_total, feed_statements_total,
	//     round_trips_total (to databases, of requests), allocations_total (on its
	//     heap),
	//     replica_reads_total, primary_reads_total, replica_failures_total,
	//     replicas_healthy, purges_total, purge_errors_total; with a queue also
	//     jobs_published_total, jobs_publish_errors_total
	//   worker: delivered_total, redelivered_total, applied_total, skipped_total,
	//     failed_total, reordered_total; the same of each kind of job, as
	//     mail_applied_total
	//   gateway: requests_total, limited_total, errors_total (no upstream
	//     answered), limiter_errors_total (admitted unlimited),
	//     sessions_created_total
	//   link: connections, connections_total, bytes_total, dial_errors_total,
	//     refused_total (too many connections)
	Counts map[string]float64 `json:"counts,omitempty"`
}
