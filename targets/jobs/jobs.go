// SPDX-License-Identifier: Apache-2.0

// Package jobs says which work a checkout leaves for later, and how the queue names
// it. Package queue publishes the jobs, package worker does them.
package jobs

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Kind is what is to be done.
type Kind string

// The kinds of job that every checkout with email: queue publishes.
const (
	Mail      Kind = "mail"      // send the confirmation
	Image     Kind = "image"     // render a picture: CPU time
	Analytics Kind = "analytics" // count the order
)

// Kinds lists them in the order in which they are published.
func Kinds() []Kind { return []Kind{Mail, Image, Analytics} }

// Stream is the queue's name in JetStream.
const Stream = "JOBS"

// Subject is where jobs of the kind are published.
func (k Kind) Subject() string { return "jobs." + string(k) }

// Job is one thing to do for one order.
type Job struct {
	Order int64  `json:"order"`
	User  int64  `json:"user"`
	Email string `json:"email"`
	Text  string `json:"text"` // of the mail
	// Publisher is one run of one shop; Seq counts what it published, from 1.
	// Jobs of one publisher and kind that arrive with a falling Seq were
	// reordered.
	Publisher string `json:"publisher"`
	Seq       int64  `json:"seq"`
}

// ID names a job of the kind: the queue drops a second one with the same name
// within its window, and a worker remembers it by this name.
func (k Kind) ID(order int64) string { return string(k) + "-" + strconv.FormatInt(order, 10) }

// Parse reads a job as it was published.
func Parse(data []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(data, &j); err != nil {
		return j, fmt.Errorf("a job that is not JSON: %w", err)
	}
	if j.Order < 1 || j.Publisher == "" || j.Seq < 1 {
		return j, fmt.Errorf("a job needs an order and a seq from 1, and a publisher: %.200s", data)
	}
	return j, nil
}
