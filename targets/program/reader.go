// SPDX-License-Identifier: Apache-2.0

// Package program holds what all our programs on machines have in common. They read
// their spec.Process, serve HTTP until they are told to stop, and answer /health and
// /internal/counters.
package program

import (
	"fmt"
	"net"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Reader reads a process and keeps the first error. The process's settings are
// complete: the scenario's parser has filled in the defaults.
type Reader struct {
	p   spec.Process
	err error
}

// NewReader reads p, which must be of the kind, with all of its settings and with
// none that do not go together. Where Err is nil the settings' Of can be called.
func NewReader(p spec.Process, kind scenarios.Kind) *Reader {
	r := &Reader{p: p}
	if p.Kind != kind.Name {
		r.Fail("want a process of kind %s", kind.Name)
	}
	if err := kind.Check(p.Settings); err != nil {
		r.Fail("%v", err)
	}
	if wrong := kind.BrokenRule(asPlanned(p)); wrong != "" {
		r.Fail("%s", wrong)
	}
	return r
}

// asPlanned is the process as a kind's rules know it. A role that leads nowhere is no
// link.
func asPlanned(p spec.Process) scenarios.Process {
	planned := scenarios.Process{Name: p.Name, Kind: p.Kind, Facts: p.Facts, Port: p.Port, Settings: p.Settings}
	for role, to := range p.Links {
		if len(to) > 0 {
			planned.Links = append(planned.Links, scenarios.Link{Role: role, To: to})
		}
	}
	return planned
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

// Link is the only host:port that a role leads to.
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
