// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"time"

	"headroom/harness/drive/results"
)

// lane writes a loop's results to the file of results, if there is one. In the file a
// timestamp is the intended send and a latency the response time, so that vegeta's tools
// show headroom's figures.
type lane struct {
	writer *results.Writer
	to     *results.Lane
	begun  bool
}

func newLane(w *results.Writer) lane {
	if w == nil {
		return lane{}
	}
	return lane{writer: w, to: w.Lane()}
}

// begin marks request k as the first recorded request.
func (n *lane) begin(k uint64) {
	if n.to != nil && !n.begun {
		n.writer.Begin(k)
		n.begun = true
	}
}

// add writes a finished request.
func (n *lane) add(rec *recorder, o *outcome) {
	if n.to == nil || !rec.recorded(o.intended) {
		return
	}
	out := o.Result
	due := rec.epoch.Add(o.intended)
	out.Latency += out.Timestamp.Sub(due)
	out.Timestamp = due
	n.to.Add(out)
}

// drop writes request k, which was due and not sent.
func (n *lane) drop(rec *recorder, k uint64, intended time.Duration) {
	if n.to != nil && rec.recorded(intended) {
		n.to.Unsent(k, rec.epoch.Add(intended))
	}
}
