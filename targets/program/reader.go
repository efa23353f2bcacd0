// SPDX-License-Identifier: Apache-2.0

// Package program is what every program of ours that runs in a machine has in
// common: how it reads its spec.Process, serves HTTP until it is told to stop,
// and answers /health and /internal/counters.
package program

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Reader reads a process, whose settings are complete (the scenario's parser
// fills in what is not said), and keeps the first error.
type Reader struct {
	p   spec.Process
	err error
}

// NewReader reads p, which must be of the kind.
func NewReader(p spec.Process, kind scenarios.Kind) *Reader {
	r := &Reader{p: p}
	if p.Kind != kind {
		r.Fail("want a process of kind %s", kind)
	}
	return r
}

// Err names the process and the first setting or link that is missing or wrong.
func (r *Reader) Err() error { return r.err }

// Fail keeps the first complaint about the process.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("process %s (%s): %s", r.p.Name, r.p.Kind, fmt.Sprintf(format, args...))
	}
}

// Listen is where the process listens. It may also use the port after it.
func (r *Reader) Listen() string {
	if r.p.Port < 1 || r.p.Port > 65534 {
		r.Fail("port %d: must lie between 1 and 65534", r.p.Port)
	}
	return r.p.Listen()
}

// Link is the one host:port that a role leads to.
func (r *Reader) Link(role scenarios.Role) string {
	to := r.Links(role)
	if len(to) != 1 {
		r.Fail("link %s leads to %d places, want exactly 1", role, len(to))
		return ""
	}
	return to[0]
}

// OptionalLink is Link for a role that may be missing: "" then.
func (r *Reader) OptionalLink(role scenarios.Role) string {
	if len(r.p.Links[role]) == 0 {
		return ""
	}
	return r.Link(role)
}

// Links are the host:port that a role leads to, at least one.
func (r *Reader) Links(role scenarios.Role) []string {
	if len(r.p.Links[role]) == 0 {
		r.Fail("link %s leads nowhere", role)
	}
	return r.OptionalLinks(role)
}

// OptionalLinks are the host:port that a role leads to, if any.
func (r *Reader) OptionalLinks(role scenarios.Role) []string {
	to := r.p.Links[role]
	for _, address := range to {
		if _, _, err := net.SplitHostPort(address); err != nil {
			r.Fail("link %s: %q is not host:port", role, address)
		}
	}
	return to
}

// OneOf is a setting that must be one of the words.
func (r *Reader) OneOf(name string, words ...string) string {
	value := r.setting(name)
	if !slices.Contains(words, value) {
		r.Fail("setting %s: %q is not one of %s", name, value, strings.Join(words, ", "))
	}
	return value
}

// Count is a whole number from 1 to most.
func (r *Reader) Count(name string, most int) int {
	text := r.setting(name)
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > most {
		r.Fail("setting %s: %q is not a whole number from 1 to %d", name, text, most)
	}
	return value
}

// Duration is a time from least to most.
func (r *Reader) Duration(name string, least, most time.Duration) time.Duration {
	text := r.setting(name)
	value, err := time.ParseDuration(text)
	if err != nil || value < least || value > most {
		r.Fail("setting %s: %q is not a time from %v to %v with its unit", name, text, least, most)
	}
	return value
}

// Share is a share of 0 to 1, written "10%".
func (r *Reader) Share(name string) float64 {
	text := r.setting(name)
	number, found := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(value >= 0 && value <= 100) {
		r.Fail("setting %s: %q is not a share such as 10%%", name, text)
		return 0
	}
	return value / 100
}

// maxSize keeps a size of a scenario below what int64 holds.
const maxSize = 1 << 20

// Bytes is a size, "64kB", "256MB" or "1GB", 1024-based as PostgreSQL's.
func (r *Reader) Bytes(name string) int64 {
	text := r.setting(name)
	for i, unit := range []string{"kB", "MB", "GB"} {
		if number, found := strings.CutSuffix(text, unit); found {
			if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 && n <= maxSize {
				return n << (10 * (i + 1))
			}
		}
	}
	r.Fail("setting %s: %q is not a size such as 256MB", name, text)
	return 0
}

func (r *Reader) setting(name string) string {
	value, ok := r.p.Settings[name]
	if !ok {
		r.Fail("setting %s is missing", name)
	}
	return value
}
