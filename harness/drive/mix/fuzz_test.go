// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Every accepted target is one request on the wire, with the host and path of its parts,
// before and after a redirect to any path.
func FuzzTarget(f *testing.F) {
	f.Add("GET", "http://u:p@[::1%25lo]:1/a?b", "Connection", "close", "body", "/c d")
	f.Add("POST", "https://h", "content-length", "0", "", "")
	f.Add("PUT", "http://h/%2f//é", "HOST", "other", "x", "?\r\n#")
	f.Fuzz(func(t *testing.T, method, url, name, value, body, location string) {
		_ = Shown(url)
		m, err := NewFromTargets([]vegeta.Target{{Method: method, URL: url, Header: http.Header{name: {value}}, Body: []byte(body)}}, nil)
		if err != nil {
			return
		}
		first := m.WithRedirects().Pick(0)
		for _, r := range []Request{first, first.Redirected(method, location, true), first.Redirected("GET", location, false)} {
			text, rest, length := r.AppendWire(nil)
			text = append(text, rest...)
			head, rest, _ := bytes.Cut(text, []byte("\r\n\r\n"))
			line, _, _ := strings.Cut(string(head), "\r\n")
			if line != r.Method()+" "+string(r.AppendPath(nil))+" HTTP/1.1" || len(rest) != length || string(rest) != string(r.AppendBody(nil)) {
				t.Fatalf("the request is %q, its path %q and body %q", text, r.AppendPath(nil), r.AppendBody(nil))
			}
			reader := bufio.NewReader(bytes.NewReader(text))
			sent, err := http.ReadRequest(reader)
			if err != nil {
				if strings.Contains(err.Error(), "parse ") { // of a URL that net/http can't take, such as a path //[
					continue
				}
				t.Fatalf("%q: %v", text, err)
			}
			if sent.ContentLength != int64(length) {
				t.Fatalf("%q has the length %d", text, sent.ContentLength)
			}
		}
		again, err := NewFromTargets([]vegeta.Target{first.Target()}, nil)
		if err != nil || !strings.EqualFold(wire(again, 0), wire(m, 0)) && !first.endpoint.length {
			t.Fatalf("%q: its target %+v is refused or another: %v", wire(m, 0), first.Target(), err)
		}
	})
}
