// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// What a process keeps that copies of its machine would have to agree on. "": not
// known, so nothing assumes that the machine can be copied.
const (
	KeepsNothing = "nothing"
	KeepsData    = "data"  // the rows that all read and write
	KeepsQueue   = "queue" // jobs in their order, each once
)

// Facts are what the rest of headroom has to know of a process. A kind has its facts
// in code, a service in its scenario file. The trials file holds the facts of each
// process, so code asks for a fact and not for a kind's name.
type Facts struct {
	Label    string `json:"label"`              // as people say it: a program's name, or "the worker"
	About    string `json:"about"`              // what the process is, in a few words
	Keeps    string `json:"keeps,omitempty"`    // one of KeepsNothing, KeepsData, KeepsQueue
	Database bool   `json:"database,omitempty"` // keeps rows, as a standby does too
	Seeds    bool   `json:"seeds,omitempty"`    // a seed command may make its data
	Stores   bool   `json:"stores,omitempty"`   // writes files that must outlive its container
	// HoldsAnswers: the process keeps the answers of the processes behind it, and
	// answers from them, as a cache does. A copy begins with an empty cache.
	HoldsAnswers bool `json:"holds_answers,omitempty"`
	// SharedMemoryBytes is what the process needs in /dev/shm; 0: the engine's default
	// will do.
	SharedMemoryBytes int64   `json:"shared_memory_bytes,omitempty"`
	Ports             int     `json:"ports"`             // how many it listens at, from its port on
	Relays            bool    `json:"relays,omitempty"`  // its port is others' traffic: what is asked of itself goes to the next one
	Server            *Server `json:"server,omitempty"`  // nil: a program of our own
	Managed           string  `json:"managed,omitempty"` // the service of a price book that does the same: "balancer", "CDN", "queue"
	// EffectsOf is the table of the rows whose effects it tells of, as
	// Endpoint.Creates names it: see ProtocolEffects.
	EffectsOf string `json:"effects_of,omitempty"`
	// Speaks are the protocols by which others may talk to it.
	Speaks   []Protocol `json:"speaks,omitempty"`
	Counters []Counter  `json:"counters,omitempty"` // what it counts that others ask for by meaning
}

// Server is a program that is not ours.
type Server struct {
	Program string `json:"program"` // for people, with the version that is needed
	Debian  string `json:"debian"`  // the package that the machines' image installs
	Install string `json:"install"` // what a person installs on Debian
	// Versions are how the names of packages and programs begin that tell its version.
	Versions []string `json:"versions"`
	Alters   string   `json:"alters"` // what another version may alter in counted work, for people
}

// Protocol is a way in which processes talk. A link needs a protocol, and a kind
// speaks some.
type Protocol string

// The protocols of links.
const (
	ProtocolHTTP        Protocol = "http"
	ProtocolOrigin      Protocol = "http-origin" // answers itself, or has others answer: not from what it keeps
	ProtocolPostgreSQL  Protocol = "postgresql"
	ProtocolReplication Protocol = "postgresql-replication" // of a PostgreSQL itself: it has standbys, and tells how far behind one is
	ProtocolRedis       Protocol = "redis"
	ProtocolMemcached   Protocol = "memcache"
	ProtocolJetStream   Protocol = "jetstream"
	ProtocolMail        Protocol = "mail-api"
	ProtocolPurge       Protocol = "http-purge" // takes a page out of what is kept
)

// serviceProtocols are the protocols that a service may speak. Other processes use
// them, and headroom itself does not. No standby follows a service.
func serviceProtocols() []Protocol {
	return []Protocol{ProtocolHTTP, ProtocolOrigin, ProtocolPostgreSQL, ProtocolRedis, ProtocolMemcached, ProtocolJetStream, ProtocolMail, ProtocolPurge}
}

// The protocols in which a machine's agent asks a process of its machine.
const (
	ProtocolFill    Protocol = "fill"    // puts pages into its cache, and tells what requests do to them
	ProtocolHome    Protocol = "home"    // tells in which of its databases a row belongs
	ProtocolSettle  Protocol = "settle"  // ends what it does in the background
	ProtocolBacklog Protocol = "backlog" // tells what is left of its jobs
	ProtocolEffects Protocol = "effects" // tells of which rows it has seen the effect, and how often
)

// Speaks says whether others may talk to the process in a protocol.
func (p Process) Speaks(protocol Protocol) bool { return slices.Contains(p.Facts.Speaks, protocol) }

// Counter is a figure of a process that other code asks for by its meaning.
type Counter struct {
	// Key is the figure's name in the process's counts, in a trial. The process itself
	// tells a total as Key with the suffix "_total".
	Key     string  `json:"key"`
	Meaning Meaning `json:"meaning"`
	Total   bool    `json:"total,omitempty"` // only grows, so that a trial has how much it grew by; else a gauge
	Unit    string  `json:"unit,omitempty"`  // "" of what is simply counted; "s", "ms"
}

// SourceKey is the figure's name in what the process itself tells.
func (c Counter) SourceKey() string {
	if c.Total {
		return c.Key + "_total"
	}
	return c.Key
}

// Meaning is what a counter counts, whatever the program calls it.
type Meaning string

// What reports, gates and oracles ask for.
const (
	MeaningStatements     Meaning = "statements"           // that a database carried out
	MeaningStatementTime  Meaning = "statement time"       // that it spent on them
	MeaningRowsReturned   Meaning = "rows returned"        //
	MeaningRowsRead       Meaning = "rows read"            // of tables, returned or not
	MeaningLockWaiters    Meaning = "lock waiters"         // a gauge
	MeaningCacheHits      Meaning = "cache hits"           //
	MeaningCacheMisses    Meaning = "cache misses"         //
	MeaningEdgeHits       Meaning = "edge hits"            // answers from what an edge keeps
	MeaningEdgeMisses     Meaning = "edge misses"          //
	MeaningOriginRequests Meaning = "origin requests"      // what an edge asks those behind it
	MeaningWaitingServer  Meaning = "waits for a server"   // requests in a balancer's queue, a gauge
	MeaningAppRequests    Meaning = "app requests"         // that reached the application
	MeaningFeedRequests   Meaning = "feed requests"        //
	MeaningFeedStatements Meaning = "feed statements"      // of requests for the feed
	MeaningRoundTrips     Meaning = "round trips"          // of the application to its databases
	MeaningAllocations    Meaning = "allocations"          // on the application's heap
	MeaningPoolWait       Meaning = "wait for connections" // of the application, to its databases
	MeaningQueued         Meaning = "queued"               // jobs that nobody has finished, a gauge
	MeaningMessages       Meaning = "messages"             // that were put into a queue
	MeaningDelivered      Meaning = "delivered"            // jobs that a worker was given
	MeaningReordered      Meaning = "reordered"            // of these, those that came before an earlier one
)

// Meanings are all of them.
func Meanings() []Meaning {
	return []Meaning{
		MeaningStatements, MeaningStatementTime, MeaningRowsReturned, MeaningRowsRead, MeaningLockWaiters,
		MeaningCacheHits, MeaningCacheMisses, MeaningEdgeHits, MeaningEdgeMisses, MeaningOriginRequests, MeaningWaitingServer,
		MeaningAppRequests, MeaningFeedRequests, MeaningFeedStatements, MeaningRoundTrips, MeaningAllocations, MeaningPoolWait,
		MeaningQueued, MeaningMessages, MeaningDelivered, MeaningReordered,
	}
}

// isGauge says whether what is counted goes up and down.
func (m Meaning) isGauge() bool {
	return m == MeaningLockWaiters || m == MeaningWaitingServer || m == MeaningQueued
}

// isTime says whether what is counted is a time.
func (m Meaning) isTime() bool { return m == MeaningStatementTime || m == MeaningPoolWait }

// Keys are the names of the process's counts that mean this; none: the process does
// not count it.
func (f Facts) Keys(meaning Meaning) []string {
	var keys []string
	for _, c := range f.Counters {
		if c.Meaning == meaning {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// Sum adds up, in what the process itself tells, the figures that mean this.
func (f Facts) Sum(told map[string]float64, meaning Meaning) float64 {
	sum := 0.0
	for _, c := range f.Counters {
		if c.Meaning == meaning {
			sum += told[c.SourceKey()]
		}
	}
	return sum
}

// Counts says whether the process counts this.
func (f Facts) Counts(meaning Meaning) bool { return len(f.Keys(meaning)) > 0 }

// Keeps is what the machine's processes keep: data where one keeps data, else ""
// where one is not known, else a queue.
func (m Machine) Keeps() string {
	for _, keeps := range []string{KeepsData, "", KeepsQueue} {
		if m.runs(func(f Facts) bool { return f.Keeps == keeps }) {
			return keeps
		}
	}
	return KeepsNothing
}

// runs says whether a fact is true of one of the machine's processes.
func (m Machine) runs(fact func(Facts) bool) bool {
	return slices.ContainsFunc(m.Processes, func(p Process) bool { return fact(p.Facts) })
}

// Stores says whether one of the machine's processes writes files that must
// outlive its container.
func (m Machine) Stores() bool { return m.runs(func(f Facts) bool { return f.Stores }) }

// HoldsAnswers says whether one of the machine's processes answers from kept answers
// of other processes.
func (m Machine) HoldsAnswers() bool { return m.runs(func(f Facts) bool { return f.HoldsAnswers }) }

// Relays says whether one of the machine's processes passes on others' traffic.
func (m Machine) Relays() bool { return m.runs(func(f Facts) bool { return f.Relays }) }

// HasDatabase says whether one of the machine's processes keeps rows, as a replica
// does too.
func (m Machine) HasDatabase() bool { return m.runs(func(f Facts) bool { return f.Database }) }

// SharedMemoryBytes is what the machine's processes need in /dev/shm together; 0:
// the engine's default will do.
func (m Machine) SharedMemoryBytes() int64 {
	var sum int64
	for _, p := range m.Processes {
		sum += p.Facts.SharedMemoryBytes
	}
	return sum
}
