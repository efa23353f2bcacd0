// SPDX-License-Identifier: Apache-2.0

package spec

// LagSample is how far one replica was behind its primary at one moment, as the
// primary saw it. The agent of the primary's machine answers
// GET /lag?from=NS&till=NS with a list of them, in order of time.
type LagSample struct {
	MonotonicNano int64   `json:"monotonic_ns"` // of the clock of Counters.MonotonicNano
	Replica       string  `json:"replica"`      // its machine
	Bytes         int64   `json:"bytes"`        // of the log, written by the primary and not yet shown by the replica
	Ms            float64 `json:"ms"`           // from a write to where the replica shows it, as measured last; 0 where nothing is under way
}

// MaxRowIDs is how many rows one RowsRequest may ask for.
const MaxRowIDs = 20_000

// RowsRequest asks the agent, by POST /rows, which of some rows a database of
// its machine holds.
type RowsRequest struct {
	Process string  `json:"process"`
	Table   string  `json:"table"`
	IDs     []int64 `json:"ids"`
}

// RowsAnswer lists the rows that are there, in no order.
type RowsAnswer struct {
	IDs []int64 `json:"ids"`
}
