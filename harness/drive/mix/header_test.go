// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"bufio"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

// readWire has net/http read request k.
func readWire(t testing.TB, m *Mix, k uint64) *http.Request {
	t.Helper()
	text := wire(m, k)
	sent, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return sent
}

// A header is sent as it is given, in any spelling, and never joined by one of
// the driver's own.
func TestHeaders(t *testing.T) {
	for _, test := range []struct {
		given, all http.Header
		body       string
		lines      string // between Host and the end
		fields     []Field
		host       string
		closes     bool
	}{
		{},
		{given: http.Header{"X-Empty": {""}, "x-b": {" 1\t"}}, lines: "X-Empty: \r\nx-b: 1\r\n", fields: []Field{{Name: "x-empty", Value: ""}, {Name: "x-b", Value: "1"}}},
		{given: http.Header{"X-A": {"2", "1"}, "x-a": {"3"}}, all: http.Header{"X-A": {"0"}}, lines: "X-A: 0\r\nX-A: 2\r\nX-A: 1\r\nx-a: 3\r\n", fields: []Field{{Name: "x-a", Value: "0"}, {Name: "x-a", Value: "2"}, {Name: "x-a", Value: "1"}, {Name: "x-a", Value: "3"}}},
		{given: http.Header{"content-type": {"a/b"}}, body: "x", lines: "content-type: a/b\r\nContent-Length: 1\r\n", fields: []Field{{Name: "content-type", Value: "a/b"}}},
		{given: http.Header{"HOST": {"other:1"}}, host: "other:1"},
		{given: http.Header{"X-None": {}}},
		{given: http.Header{"connection": {"Close"}}, lines: "connection: Close\r\n", closes: true},
		{given: http.Header{"Connection": {"keep-alive"}, "Keep-Alive": {"timeout=5"}}, lines: "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"},
		{given: http.Header{"content-length": {"0"}}, lines: "Content-Length: 0\r\n"},
		{given: http.Header{"Content-length": {"2"}}, body: "é", lines: "Content-Length: 2\r\n"},
	} {
		m, err := NewFromTargets([]vegeta.Target{{Method: "GET", URL: "http://h/", Header: test.given, Body: []byte(test.body)}}, test.all)
		if err != nil {
			t.Errorf("%v: %v", test.given, err)
			continue
		}
		if test.host == "" {
			test.host = "h"
		}
		r := m.Pick(0)
		if got, want := wire(m, 0), "GET / HTTP/1.1\r\nHost: "+test.host+"\r\n"+test.lines+"\r\n"+test.body; got != want {
			t.Errorf("%v is sent as\n%q, want\n%q", test.given, got, want)
		}
		if !reflect.DeepEqual(r.Fields(), test.fields) || r.Close() != test.closes || r.Authority() != test.host {
			t.Errorf("%v: fields %v, closes %v, host %s", test.given, r.Fields(), r.Close(), r.Authority())
		}
		if asked, err := ptr(r.Target()).Request(); err != nil || asked.Host != test.host || asked.Header["Content-Length"] != nil {
			t.Errorf("%v: as vegeta's target to %s with %v, error %v", test.given, asked.Host, asked.Header, err)
		}
		for name := range r.Target().Header { // net/http knows it in one spelling, and sends the others beside it
			if strings.EqualFold(name, "Host") && name != "Host" {
				t.Errorf("%v: vegeta's target has the header %q", test.given, name)
			}
		}
	}
}

func ptr(t vegeta.Target) *vegeta.Target { return &t }

func TestHeadersAreRefused(t *testing.T) {
	for _, test := range []struct {
		header http.Header
		body   string
		says   string
	}{
		{header: http.Header{"transfer-encoding": {"chunked"}}, says: `header "transfer-encoding" cannot be sent: the driver sends a body with its Content-Length`},
		{header: http.Header{"UPGRADE": {"h2c"}}, says: "no other protocol"},
		{header: http.Header{"expect": {"100-continue"}}, says: "100 Continue"},
		{header: http.Header{"TE": {"trailers"}}, says: "reads no trailers"},
		{header: http.Header{"Trailer": {"A"}}, says: "sends no trailers"},
		{header: http.Header{"Connection": {"upgrade"}}, says: "must be close"},
		{header: http.Header{"Connection": {"close, X-A"}}, says: "must be close"},
		{header: http.Header{"Connection": {"close"}, "connection": {"keep-alive"}}, says: "twice"},
		{header: http.Header{"Host": {"a"}, "host": {"a"}}, says: "twice"},
		{header: http.Header{"Host": {""}}, says: "is no host"},
		{header: http.Header{"Host": {"a b"}}, says: "is no host"},
		{header: http.Header{"Content-Length": {"3"}}, body: "four", says: `is "3" and the body has 4 bytes`},
		{header: http.Header{"Content-Length": {"+4"}}, body: "four", says: `is "+4" and the body has 4 bytes`},
		{header: http.Header{"Content-Length": {"4", "5"}}, body: "four", says: `is "5" and`},
		{header: http.Header{"A": {"secret\r\nB: c"}}, says: "control character"},
		{header: http.Header{"A b": {"secret"}}, says: "without a blank"},
		{header: http.Header{"": {"secret"}}, says: "cannot be sent"},
		{header: http.Header{"Ä": {"secret"}}, says: "cannot be sent"},
	} {
		_, err := NewFromTargets([]vegeta.Target{{Method: "POST", URL: "http://h/", Header: test.header, Body: []byte(test.body)}}, nil)
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: error %v, want one that says %q", test.header, err, test.says)
		}
	}
	for says, e := range map[string]scenarios.Endpoint{
		"may change":   {Body: "{seq}"},
		"and a header": {Session: "7"},
	} {
		e.Name, e.Method, e.Path, e.Weight = "e", "POST", "/", 1
		if _, err := New("http://h", http.Header{"content-length": {"1"}, "x-session": {"8"}}, []scenarios.Endpoint{e}, nil, 1); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

// A given Content-Type stands, empty or in lower case; else a body has JSON's.
func TestContentTypeOfAMix(t *testing.T) {
	for want, header := range map[string]http.Header{
		"Content-Type: application/json\r\n": nil, "content-type: a/b\r\n": {"content-type": {"a/b"}}, "Content-Type: \r\n": {"Content-Type": {""}},
	} {
		m, err := New("http://h", header, []scenarios.Endpoint{{Name: "e", Method: "POST", Path: "/", Body: "x", Weight: 1}}, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := wire(m, 0); got != "POST / HTTP/1.1\r\nHost: h\r\n"+want+"Content-Length: 1\r\n\r\nx" {
			t.Errorf("%v is sent as %q", header, got)
		}
	}
}

// A body is sent whatever the method is.
func TestBodyOfAnyMethod(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "POST", "PATCH", "PURGE", "M-SEARCH"} {
		m := mustTarget(t, vegeta.Target{Method: method, URL: "http://h/", Body: []byte("a body")})
		sent := readWire(t, m, 0)
		body, err := io.ReadAll(sent.Body)
		if r := m.Pick(0); err != nil || string(body) != "a body" || sent.ContentLength != 6 || sent.Method != method || !r.HasBody() || r.Method() != method {
			t.Errorf("%s is sent with the body %q", method, body)
		}
	}
}
