// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"net/http"
	"sort"
	"strconv"
	"unsafe"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Secure says whether requests are sent over TLS.
func (m *Mix) Secure() bool { return m.entries[0].secure }

// HostPorts are the addresses to connect to, with their ports: one for each entry.
func (m *Mix) HostPorts() []string {
	out := make([]string, len(m.entries))
	for i, e := range m.entries {
		out[i] = e.hostPort
	}
	return out
}

// Names are the names of the endpoints that are measured separately.
func (m *Mix) Names() []string { return m.names }

// Request is one request of a mix: what Pick returns. It is valid as long as
// its Mix.
type Request struct {
	mix      *Mix
	k        uint64
	endpoint *endpoint
}

// Pick returns request k.
func (m *Mix) Pick(k uint64) Request {
	if m.bounds == nil {
		return Request{m, k, &m.endpoints[k%uint64(len(m.endpoints))]}
	}
	u := m.choice.Float(k)
	// The last bound may be a little less than 1 by rounding.
	i := sort.Search(len(m.bounds)-1, func(i int) bool { return u < m.bounds[i] })
	return Request{m, k, &m.endpoints[i]}
}

// Name is the index into Names of what the request is measured under.
func (r Request) Name() int { return r.endpoint.name }

// Entry is the index into HostPorts of where the request is sent.
func (r Request) Entry() int { return r.endpoint.entry }

// Close says that the connection is not to be used for another request.
func (r Request) Close() bool { return r.endpoint.closes }

// Head says whether the answer has no body whatever its header says.
func (r Request) Head() bool { return r.endpoint.method == http.MethodHead }

// Idempotent says whether sending it twice is the same as once (RFC 9110,
// 9.2.2).
func (r Request) Idempotent() bool {
	switch r.endpoint.method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// AppendWire appends the request as HTTP/1.1 sends it, and returns the length of its body.
// A large constant body is not copied: rest is to be sent after wire, and must not be
// written to.
func (r Request) AppendWire(dst []byte) (wire, rest []byte, body int) {
	e := r.endpoint
	rest = e.shared()
	if e.fixed != "" {
		return append(dst, e.fixed...), rest, e.fixedBody
	}
	wire, body = e.appendWire(dst, r.k)
	return wire, rest, body
}

// sharedBody is the size from which on requests share a constant body: thousands of
// connections may be sending the body at once.
const sharedBody = 16 << 10

// shared is the body that all requests of the endpoint share, nil when each has
// its own.
func (e *endpoint) shared() []byte {
	if !e.body.constant() || len(e.body[0].text) < sharedBody {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(e.body[0].text), len(e.body[0].text))
}

// appendWire appends the request without a body that is shared.
func (e *endpoint) appendWire(dst []byte, k uint64) (wire []byte, body int) {
	dst = append(dst, e.head...)
	dst = e.path.appendTo(dst, k)
	dst = append(dst, e.tail...)
	if len(e.session) > 0 {
		dst = append(dst, SessionHeader+": "...)
		dst = e.session.appendTo(dst, k)
		dst = append(dst, "\r\n"...)
	}
	if !e.hasBody() {
		if e.length || e.method == http.MethodPost || e.method == http.MethodPut || e.method == http.MethodPatch {
			dst = append(dst, "Content-Length: 0\r\n"...)
		}
		return append(dst, "\r\n"...), 0
	}
	if shared := e.shared(); shared != nil {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(shared)), 10)
		return append(dst, "\r\n\r\n"...), len(shared)
	}
	// The length comes before the body. So render the body first, then the length, and
	// swap the two.
	start := len(dst)
	dst = e.body.appendTo(dst, k)
	body = len(dst) - start
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(body), 10)
	dst = append(dst, "\r\n\r\n"...)
	rotate(dst[start:], body)
	return dst, body
}

// rotate moves the first n bytes behind the rest.
func rotate(b []byte, n int) {
	reverse(b[:n])
	reverse(b[n:])
	reverse(b)
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// AppendExpect appends what the answer's body must hold; nothing when any
// body will do.
func (r Request) AppendExpect(dst []byte) []byte { return r.endpoint.expect.appendTo(dst, r.k) }

// Target returns request k as vegeta knows one. Its header must not be written
// to.
func (m *Mix) Target(k uint64) vegeta.Target { return m.Pick(k).Target() }

// Target returns the request as vegeta knows one. Its header must not be
// written to.
func (r Request) Target() vegeta.Target {
	e := r.endpoint
	header := e.header
	if len(e.session) > 0 {
		header = header.Clone()
		header[SessionHeader] = []string{string(r.AppendSession(nil))}
	}
	return vegeta.Target{
		Method: e.method,
		URL:    string(r.AppendPath([]byte(r.mix.entries[e.entry].baseURL))),
		Body:   r.AppendBody(nil),
		Header: header,
	}
}
