// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The parts of a request, for a protocol that is not HTTP/1.1.

// Method is the request's method.
func (r Request) Method() string { return r.endpoint.method }

// Secure says whether the request is sent over TLS.
func (r Request) Secure() bool { return r.mix.entries[r.endpoint.entry].secure }

// Authority is the value of the request's Host header.
func (r Request) Authority() string { return r.endpoint.authority }

// URL is where the request goes, whole.
func (r Request) URL() string {
	return string(r.AppendPath([]byte(r.mix.entries[r.endpoint.entry].baseURL)))
}

// AppendPath appends its path and query.
func (r Request) AppendPath(dst []byte) []byte { return r.endpoint.path.appendTo(dst, r.k) }

// HasBody says whether it has a body.
func (r Request) HasBody() bool { return r.endpoint.hasBody() }

// AppendBody appends its body.
func (r Request) AppendBody(dst []byte) []byte { return r.endpoint.body.appendTo(dst, r.k) }

// Body returns the request's body. The body is shared by the endpoint's requests and must
// not be written to, or it is the request's own, in scratch's memory.
func (r Request) Body(scratch []byte) []byte {
	if shared := r.endpoint.shared(); shared != nil {
		return shared
	}
	return r.AppendBody(scratch[:0])
}

// OwnBody says that Body returns scratch's memory.
func (r Request) OwnBody() bool { return r.endpoint.shared() == nil }

// AppendSession appends the value of its SessionHeader; nothing when it has
// none.
func (r Request) AppendSession(dst []byte) []byte { return r.endpoint.session.appendTo(dst, r.k) }

// Fields are the request's constant header fields, with names in lower case. Host,
// Content-Length, the session and fields of an HTTP/1.1 connection are not among them.
// Fields must not be written to.
func (r Request) Fields() []Field { return r.endpoint.fields }

func (e *endpoint) hasBody() bool { return !e.body.constant() || e.body[0].text != "" }

// redirectsName is what followed redirects are measured under.
const redirectsName = "redirects"

// WithRedirects returns the same mix with a name of its own for the requests
// that Redirected returns: the last of Names.
func (m *Mix) WithRedirects() *Mix {
	name := redirectsName
	for slices.Contains(m.names, name) {
		name = "followed " + name
	}
	with := *m
	with.names = append(slices.Clone(m.names), name)
	with.redirects = true
	return &with
}

// Redirected returns the request that a redirect leads to: to the same entry,
// with the same header and session. Without its body, what describes the body
// goes too.
func (r Request) Redirected(method, path string, dropBody bool) Request {
	e := *r.endpoint
	if r.mix.redirects {
		e.name = len(r.mix.names) - 1
	}
	e.method, e.path = method, template{{text: escapePath(path), last: true}}
	if dropBody {
		e.body, e.length = template{{last: true}}, false
		e.header = e.header.Clone()
		for name := range e.header {
			if ofBody(name) {
				delete(e.header, name)
			}
		}
		e.fields = slices.DeleteFunc(slices.Clone(e.fields), func(f Field) bool { return ofBody(f.Name) })
		var lines strings.Builder
		for line := range strings.Lines(e.lines) {
			if name, _, _ := strings.Cut(line, ":"); !ofBody(name) {
				lines.WriteString(line)
			}
		}
		e.lines = lines.String()
	}
	e.render()
	return Request{r.mix, r.k, &e}
}

// ofBody says whether a header describes the body.
func ofBody(name string) bool { return strings.HasPrefix(http.CanonicalHeaderKey(name), "Content-") }

// escapePath makes a server's location valid in a request line.
func escapePath(path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	var out strings.Builder
	for _, b := range []byte(path) {
		if b <= ' ' || b >= 0x7f || b == '#' {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}
