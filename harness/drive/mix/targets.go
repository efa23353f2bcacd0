// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"fmt"
	"net/http"
	"slices"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// NewFromTargets compiles a list of targets, sent in turn. All must be of one
// scheme and host. header is sent with every request, before the target's own.
func NewFromTargets(targets []vegeta.Target, header http.Header) (*Mix, error) {
	if len(targets) == 0 || len(targets) > MaxTargets {
		return nil, fmt.Errorf("there are %d targets: there must be 1 to %d", len(targets), MaxTargets)
	}
	m := &Mix{}
	for i, t := range targets {
		e, path, err := m.target(t, header)
		if err != nil && len(targets) > 1 {
			return nil, fmt.Errorf("target %d: %w", i+1, err)
		} else if err != nil {
			return nil, err
		}
		e.name = m.nameTarget(t.Method + " " + path)
		e.render()
		m.endpoints = append(m.endpoints, e)
	}
	return m, nil
}

// Checker checks targets one by one. Its zero value is ready.
type Checker struct{ m Mix }

// Check is an error when target can't be in one list with the targets before it.
func (c *Checker) Check(target vegeta.Target) error {
	_, _, err := c.m.target(target, nil)
	return err
}

// target compiles all but the name, and renders nothing.
func (m *Mix) target(t vegeta.Target, header http.Header) (e endpoint, path string, err error) {
	u, err := parseURL(t.URL)
	if err != nil {
		return endpoint{}, "", err
	}
	place, err := newEntry(u, t.URL)
	if err != nil {
		return endpoint{}, "", err
	}
	path = u.RequestURI()
	e = endpoint{
		method: t.Method, header: http.Header{}, tracking: tracking{object: -1, creates: -1},
		path: template{{text: path, last: true}}, body: template{{text: string(t.Body), last: true}},
	}
	for _, given := range []http.Header{header, t.Header} {
		for name, values := range given {
			e.header[name] = append(e.header[name], values...)
		}
	}
	if err := place.authorize(e.header); err != nil {
		return endpoint{}, "", err
	}
	if err := e.check(&place, path); err != nil {
		return endpoint{}, "", err
	}
	if len(m.entries) == 0 {
		m.entries = append(m.entries, place)
	}
	if first := m.entries[0].baseURL; place.baseURL != first {
		return endpoint{}, "", fmt.Errorf("it is at %s, the first at %s: one run measures one system", place.baseURL, first)
	}
	return e, path, nil
}

// nameTarget returns the index of the name, or of the shared name.
func (m *Mix) nameTarget(name string) int {
	at := slices.Index(m.names, name)
	if at >= 0 {
		return at
	}
	if len(m.names) < maxNames {
		m.names = append(m.names, name)
		return len(m.names) - 1
	}
	if len(m.names) == maxNames {
		m.names = append(m.names, sharedName)
	}
	return maxNames
}
