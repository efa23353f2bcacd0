// SPDX-License-Identifier: Apache-2.0

package jobs

// What an auditor asks after a run, to tell lost jobs from late ones and jobs
// done twice from jobs done once: first the workers, until nothing is left,
// then the mail provider.

// Paths of the two questions.
const (
	BacklogPath = "/internal/queue" // GET, of a worker: Backlog
	AuditPath   = "/internal/audit" // POST an Audit, of the mail provider: Seen
)

// MaxAuditIDs is how many orders one Audit may name.
const MaxAuditIDs = 20_000

// Backlog is what is left in the kinds of job that a worker takes, all workers
// together.
type Backlog struct {
	Pending    int64 `json:"pending"`     // not delivered yet
	AckPending int64 `json:"ack_pending"` // delivered, not acknowledged yet
}

// Audit asks how often the mails of these orders were sent.
type Audit struct {
	IDs []int64 `json:"ids"`
}

// Seen is how often each order's mail was sent: accepted, and not refused as a
// duplicate. Every order of the question is in it, with 0 where none was sent.
// Only once Full is true, orders that came after the provider's memory was full
// are unknown, and are missing.
type Seen struct {
	Seen map[int64]int `json:"seen"`
	Full bool          `json:"full,omitempty"`
}
