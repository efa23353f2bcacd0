// SPDX-License-Identifier: Apache-2.0

package spec

// A conductor asks what goes on inside a process. The machine's agent relays the
// question, POST AskPath, and the process answers below /internal/ in JSON. The facts
// of a process say which questions it answers: by the protocols that it speaks.
const (
	FillPath        = "/internal/fill"    // ProtocolFill: POST FillPages, answers Filled
	CacheEffectPath = "/internal/touch"   // ProtocolFill: POST []Request, answers []CacheEffect, one a request
	HomePath        = "/internal/home"    // ProtocolHome: POST HomeQuestion, answers []int, one a row
	SettlePath      = "/internal/settle"  // ProtocolSettle: GET, answers Settled
	BacklogPath     = "/internal/queue"   // ProtocolBacklog: GET, answers Backlog
	EffectsPath     = "/internal/effects" // ProtocolEffects: POST EffectsQuestion, answers Effects
)

// What a question may hold. A machine's agent relays a question for 10 s at most.
const (
	MaxQuestion      = 2_000   // requests or rows that it names
	MaxQuestionBytes = 4 << 20 // its JSON, and that of the answer
)

// FillPages are the pages that a process is to put into its cache, by their names
// there, each with how long the page is to be kept, in ms.
type FillPages map[string]int64

// Filled is how many of the pages were there to be put in.
type Filled struct {
	Filled int `json:"filled"`
}

// Request is one that a process might get.
type Request struct {
	Method string `json:"method"`
	Target string `json:"target"` // path and query
	Body   string `json:"body,omitempty"`
}

// CacheEffect is what a request does to the pages of a cache.
type CacheEffect struct {
	Reads       string   `json:"reads,omitempty"` // the name of the page that the request is answered from
	Invalidates []string `json:"ends,omitempty"`  // the names of the pages that are no longer true after it
}

// Row is one that a request created.
type Row struct {
	ID      int64 `json:"id"`
	Session int64 `json:"session,omitempty"` // whose request it was; 0: not known
}

// HomeQuestion asks in which of several databases rows belong.
type HomeQuestion struct {
	Table string `json:"table"` // of the rows, as Endpoint.Creates names it
	Of    int    `json:"of"`    // how many databases there are
	Rows  []Row  `json:"rows"`
}

// NoHome is the answer for a row whose database can't be said.
const NoHome = -1

// Settled is how many connections handed in what they had counted.
type Settled struct {
	Settled int `json:"settled"`
}

// Backlog is what is left of the jobs that a process takes, all processes of its
// kind together.
type Backlog struct {
	Pending    int64 `json:"pending"`     // not delivered yet
	AckPending int64 `json:"ack_pending"` // delivered, not acknowledged yet
}

// MaxEffects is how many rows one EffectsQuestion may name.
const MaxEffects = 20_000

// EffectsQuestion asks how often the effects of these rows took place, which are
// of the table that the process's facts name.
type EffectsQuestion struct {
	IDs []int64 `json:"ids"`
}

// Effects is how often each row had its effect. Every row of the question is in Seen,
// with 0 where there was none. When Full is true, the process's memory was full: rows
// that came later are missing.
type Effects struct {
	Seen map[int64]int `json:"seen"`
	Full bool          `json:"full,omitempty"`
}
