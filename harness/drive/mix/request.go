package mix

import (
	"net/http"
	"sort"
	"strconv"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Secure says whether the system is reached by TLS.
func (m *Mix) Secure() bool { return m.entries[0].secure }

// HostPorts is what to connect to, always with a port: one for each entry.
func (m *Mix) HostPorts() []string {
	out := make([]string, len(m.entries))
	for i, e := range m.entries {
		out[i] = e.hostPort
	}
	return out
}

// Names are the endpoints that are measured apart.
func (m *Mix) Names() []string { return m.names }

// Request is one request of a mix: what Pick returns. It is valid as long as
// its Mix.
type Request struct {
	k        uint64
	endpoint *endpoint
}

// Pick returns request k.
func (m *Mix) Pick(k uint64) Request {
	if m.bounds == nil {
		return Request{k, &m.endpoints[k%uint64(len(m.endpoints))]}
	}
	u := m.choice.Float(k)
	// The bounds' sum may fall short of 1 by its rounding.
	i := sort.Search(len(m.bounds)-1, func(i int) bool { return u < m.bounds[i] })
	return Request{k, &m.endpoints[i]}
}

// Name is the index into Names of what the request is measured under.
func (r Request) Name() int { return r.endpoint.name }

// Entry is the index into HostPorts of where the request is sent.
func (r Request) Entry() int { return r.endpoint.entry }

// Head says whether the answer has no body whatever its header says.
func (r Request) Head() bool { return r.endpoint.method == http.MethodHead }

// Idempotent says whether sending it twice is the same as once.
func (r Request) Idempotent() bool {
	switch r.endpoint.method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// AppendWire appends the request as HTTP/1.1 sends it. It returns the length
// of the body in it too.
func (r Request) AppendWire(dst []byte) (wire []byte, body int) {
	if r.endpoint.fixed != "" {
		return append(dst, r.endpoint.fixed...), r.endpoint.fixedBody
	}
	return r.endpoint.appendWire(dst, r.k)
}

func (e *endpoint) appendWire(dst []byte, k uint64) (wire []byte, body int) {
	dst = append(dst, e.head...)
	dst = e.path.appendTo(dst, k)
	dst = append(dst, e.tail...)
	if len(e.session) > 0 {
		dst = append(dst, SessionHeader+": "...)
		dst = e.session.appendTo(dst, k)
		dst = append(dst, "\r\n"...)
	}
	if len(e.body) == 1 && e.body[0].text == "" {
		switch e.method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			dst = append(dst, "Content-Length: 0\r\n"...)
		}
		return append(dst, "\r\n"...), 0
	}
	// The length stands before the body: render the body behind the place
	// where the length will be, then move it up to it.
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
func (m *Mix) Target(k uint64) vegeta.Target {
	e := m.Pick(k).endpoint
	header := e.header
	if len(e.session) > 0 {
		if header = header.Clone(); header == nil {
			header = http.Header{}
		}
		header[SessionHeader] = []string{string(e.session.appendTo(nil, k))}
	}
	return vegeta.Target{
		Method: e.method,
		URL:    string(e.path.appendTo([]byte(m.entries[e.entry].baseURL), k)),
		Body:   e.body.appendTo(nil, k),
		Header: header,
	}
}
