// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"headroom/harness/drive/draw"
	"headroom/scenarios"
)

// SessionHeader names the session that sends a request.
const SessionHeader = "X-Session"

// tracking is what oracles need to know of an endpoint.
type tracking struct {
	sessionID, objectID number
	object              int      // into Mix.objects, -1 for none
	version             NumberAt // the object's
	creates             int      // into Mix.created, -1 for none
	id                  NumberAt // of the row that is created
}

// number is the one number of a text: a placeholder's number or a fixed one.
type number struct {
	given bool
	keys  *draw.Keys // nil: the request's number, or fixed
	seq   bool
	fixed int64
}

func (n *number) of(k uint64) int64 {
	switch {
	case n.keys != nil:
		return int64(n.keys.Key(k))
	case n.seq:
		return int64(k)
	}
	return n.fixed
}

// numberIn reads the one placeholder of a text.
func numberIn(text string, keys map[string]*draw.Keys) (number, error) {
	names := placeholders(text)
	if len(names) > 1 {
		return number{}, fmt.Errorf("%q holds %d placeholders: it can hold one", text, len(names))
	}
	if len(names) == 0 {
		return number{given: true}, nil
	}
	drawn := keys[names[0]]
	return number{given: true, keys: drawn, seq: drawn == nil}, nil
}

// objectShift leaves room for the number of an object beside its kind.
const objectShift = 48

// watch compiles what oracles need to know of e.
func (m *Mix) watch(e scenarios.Endpoint, keys map[string]*draw.Keys) (tracking, error) {
	w := tracking{object: -1, creates: -1}
	var err error
	if e.Session != "" {
		if w.sessionID, err = numberIn(e.Session, keys); err != nil {
			return w, fmt.Errorf("session %w", err)
		}
		if bare := placeholder.ReplaceAllString(e.Session, ""); bare != "" {
			fixed, err := strconv.ParseInt(e.Session, 10, 64)
			if err != nil || fixed < 1 {
				return w, fmt.Errorf("session %q must be one placeholder, for example {user}, or a number above 0", e.Session)
			}
			w.sessionID.fixed = fixed
		}
	}
	if e.Object != "" {
		if w.objectID, err = numberIn(e.Object, keys); err != nil {
			return w, fmt.Errorf("object %w", err)
		}
		// The same thing may be drawn in several ways.
		w.object = intern(&m.objects, placeholder.ReplaceAllString(e.Object, objectNumber))
		if w.version, err = newNumberAt(e.VersionAt()); err != nil {
			return w, fmt.Errorf("version: %w", err)
		}
	}
	if e.Creates != "" {
		w.creates = intern(&m.created, e.Creates)
		if w.id, err = newNumberAt(e.IDAt()); err != nil {
			return w, fmt.Errorf("id: %w", err)
		}
	}
	m.inHeaders = m.inHeaders || w.version.Header != nil || w.id.Header != nil
	return w, nil
}

// objectNumber stands for the number in an object's kind.
const objectNumber = "{}"

func intern(names *[]string, name string) int {
	if at := slices.Index(*names, name); at >= 0 {
		return at
	}
	*names = append(*names, name)
	return len(*names) - 1
}

// Created are the tables in which requests create rows.
func (m *Mix) Created() []string { return m.created }

// ShowsInHeaders says whether a version or an id is to be read from a header.
func (m *Mix) ShowsInHeaders() bool { return m.inHeaders }

// ObjectName is what an object is called in words.
func (m *Mix) ObjectName(object uint64) string {
	kind := object >> objectShift
	if kind >= uint64(len(m.objects)) {
		return fmt.Sprintf("object %d", object)
	}
	return strings.ReplaceAll(m.objects[kind], objectNumber, strconv.FormatUint(object&(1<<objectShift-1), 10))
}

// Session is the number of the session that sends the request, 0 for none.
func (r Request) Session() int64 {
	if !r.endpoint.sessionID.given {
		return 0
	}
	return r.endpoint.sessionID.of(r.k)
}

// Object is the versioned thing that the request reads or writes; ok is false
// when there is none.
func (r Request) Object() (object uint64, ok bool) {
	if r.endpoint.object < 0 {
		return 0, false
	}
	return uint64(r.endpoint.object)<<objectShift | uint64(r.endpoint.objectID.of(r.k))&(1<<objectShift-1), true
}

// Version is where the answer shows the version of Object.
func (r Request) Version() *NumberAt { return &r.endpoint.version }

// Creates is the index into Created of the table in which the request creates a
// row; ok is false when it creates none.
func (r Request) Creates() (table int, ok bool) {
	return r.endpoint.creates, r.endpoint.creates >= 0
}

// ID is where the answer shows the id of the row that the request creates.
func (r Request) ID() *NumberAt { return &r.endpoint.id }

// Reads says that the request changes nothing.
func (r Request) Reads() bool {
	return r.endpoint.method == http.MethodGet || r.endpoint.method == http.MethodHead
}
