// SPDX-License-Identifier: Apache-2.0

package spec

// WorkPath is where a machine's agent answers GET with a list of Work: the parts of
// its processes' counters. Work is not part of Counters, because the texts of
// statements are long and slices don't need them.
const WorkPath = "/work"

// QuiescePath is where a machine's agent answers GET with 200 once all its processes
// are quiesced (see machine.Quiescer), and with 503 until then.
const QuiescePath = "/quiesce"

// The sorts of work.
const (
	WorkStatement = "statement" // of a database, by text: calls, rows (returned), blocks (read, in memory or not)
	WorkTable     = "table"     // of a database: rows_read, rows_written
	WorkCommand   = "command"   // of a cache: calls
)

// Work is how often one process did one thing since it started. Counts only
// grow.
type Work struct {
	Process string             `json:"process"`
	Of      string             `json:"of"` // one of the sorts
	Name    string             `json:"name"`
	Counts  map[string]float64 `json:"counts"`
}
