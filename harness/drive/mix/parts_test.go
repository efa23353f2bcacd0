// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

var partsMix = []scenarios.Endpoint{
	{Name: "read", Method: "GET", Path: "/u/{user}?n={seq}", Weight: 0.5},
	{Name: "write", Method: "PUT", Path: "/u/{user}", Weight: 0.5, Body: `{"id":{user}}`, Session: "{user}", Object: "user {user}"},
}

// The parts of a request are what HTTP/1.1 sends of it.
func TestPartsAreTheWire(t *testing.T) {
	m, err := New("https://h:1/v1", http.Header{"A": {"b"}, "connection": {"close"}, "host": {"other"}}, partsMix, testKeys, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k := range uint64(100) {
		r := m.Pick(k)
		sent := readWire(t, m, k)
		body, err := io.ReadAll(sent.Body)
		if err != nil {
			t.Fatal(err)
		}
		if r.Method() != sent.Method || string(r.AppendPath(nil)) != sent.RequestURI || string(r.AppendBody(nil)) != string(body) || r.HasBody() != (len(body) > 0) ||
			r.Authority() != "other" || sent.Host != "other" || !r.Secure() || string(r.AppendSession(nil)) != sent.Header.Get(SessionHeader) {
			t.Fatalf("request %d is %s %s %q in parts, and on the wire %s %s %q", k, r.Method(), r.AppendPath(nil), r.AppendBody(nil), sent.Method, sent.RequestURI, body)
		}
		want := []Field{{Name: "a", Value: "b"}}
		if r.HasBody() {
			want = append(want, Field{Name: "content-type", Value: "application/json"})
		}
		if !reflect.DeepEqual(r.Fields(), want) || (len(r.AppendSession(nil)) > 0) != (m.Names()[r.Name()] == "write") {
			t.Fatalf("request %d: fields %v, session %q", k, r.Fields(), r.AppendSession(nil))
		}
	}
}

func TestPartsAllocateNothing(t *testing.T) {
	m, err := New("http://h", http.Header{"A": {"b"}}, partsMix, testKeys, 1)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 0, 1000)
	k, bytes := uint64(0), 0
	if n := testing.AllocsPerRun(200, func() {
		r := m.Pick(k)
		bytes += len(r.AppendPath(buffer)) + len(r.AppendBody(buffer)) + len(r.AppendSession(buffer)) + len(r.Method()) + len(r.Authority()) + len(r.Fields())
		wire, _, _ := r.AppendWire(buffer)
		bytes += len(wire)
		k++
	}); n != 0 || bytes == 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestIdempotentMethods(t *testing.T) {
	for method, want := range map[string]bool{ // RFC 9110, 9.2.2
		"GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true, "PUT": true, "DELETE": true, "POST": false, "PATCH": false, "PURGE": false,
	} {
		if got := mustTarget(t, vegeta.Target{Method: method, URL: "http://h/"}).Pick(0).Idempotent(); got != want {
			t.Errorf("%s: %v", method, got)
		}
	}
}

func TestRedirected(t *testing.T) {
	plain, err := NewFromTargets([]vegeta.Target{
		{Method: "POST", URL: "http://u:p@h/a", Body: []byte("body"), Header: http.Header{"Content-Type": {"a/b"}, "content-language": {"de"}, "Accept": {"c"}, "host": {"other"}, "Content-Length": {"4"}}},
		{Method: "GET", URL: "http://h/b"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := plain.WithRedirects()
	if !slices.Equal(m.Names(), []string{"POST /a", "GET /b", "redirects"}) || len(plain.Names()) != 2 {
		t.Fatalf("names %q, without redirects %q", m.Names(), plain.Names())
	}
	const head = " HTTP/1.1\r\nHost: other\r\nAccept: c\r\nAuthorization: Basic dTpw\r\n"
	const described = "Content-Type: a/b\r\ncontent-language: de\r\nContent-Length: 4\r\n"
	for _, test := range []struct {
		method, path string
		drop         bool
		want         string
		fields       int
	}{
		{"GET", "/c?d", true, "GET /c?d" + head + "\r\n", 2},
		{"HEAD", "", true, "HEAD /" + head + "\r\n", 2},
		{"POST", "/c", false, "POST /c" + head + described + "\r\nbody", 4},
		{"PUT", "?a b#\r\nX: \xff", true, "PUT /?a%20b%23%0D%0AX:%20%FF" + head + "Content-Length: 0\r\n\r\n", 2},
	} {
		before := wire(m, 2)
		r := m.Pick(2).Redirected(test.method, test.path, test.drop)
		text, rest, body := r.AppendWire(nil)
		text = append(text, rest...)
		if string(text) != test.want || (body == 4) == test.drop || r.HasBody() == test.drop || len(r.Fields()) != test.fields {
			t.Errorf("%s %q is sent as\n%q with fields %v, want\n%q", test.method, test.path, text, r.Fields(), test.want)
		}
		if r.Method() != test.method || r.Head() != (test.method == "HEAD") || r.Idempotent() != (test.method != "POST") || m.Names()[r.Name()] != "redirects" || r.Entry() != 0 {
			t.Errorf("%s %q: method %s, head %v, idempotent %v, name %d", test.method, test.path, r.Method(), r.Head(), r.Idempotent(), r.Name())
		}
		if target := r.Target(); (target.Header["Content-Type"] == nil) != test.drop || len(target.Body) != body || !strings.HasPrefix(target.URL, "http://h/") {
			t.Errorf("%s %q: target %+v", test.method, test.path, target)
		}
		if again := r.Redirected("GET", "/e", true); m.Names()[again.Name()] != "redirects" || string(again.AppendPath(nil)) != "/e" {
			t.Errorf("redirected again, it is %s of %d", again.AppendPath(nil), again.Name())
		}
		if wire(m, 2) != before {
			t.Fatal("the redirected request is another now")
		}
	}
	if r := plain.Pick(0).Redirected("GET", "/c", true); r.Name() != 0 {
		t.Errorf("without a name for redirects it is %d", r.Name())
	}
}

// A redirect keeps what the request was: its session, its object, its number.
func TestRedirectedOfAMix(t *testing.T) {
	mix := append([]scenarios.Endpoint{{Name: "redirects", Method: "GET", Path: "/", Weight: 0}}, partsMix...)
	m, err := New("http://h/v1", nil, mix, testKeys, 1)
	if err != nil {
		t.Fatal(err)
	}
	m = m.WithRedirects()
	if last := m.Names()[len(m.Names())-1]; last != "followed redirects" {
		t.Errorf("the name is %q beside an endpoint of the name redirects", last)
	}
	for k := range uint64(50) {
		first := m.Pick(k)
		r := first.Redirected(first.Method(), "/{user}", false)
		object, ok := r.Object()
		if want, given := first.Object(); object != want || ok != given || r.Session() != first.Session() || string(r.AppendBody(nil)) != string(first.AppendBody(nil)) ||
			string(r.AppendSession(nil)) != string(first.AppendSession(nil)) || string(r.AppendPath(nil)) != "/{user}" || !strings.HasPrefix(r.Target().URL, "http://h/{user}") {
			t.Fatalf("request %d is %+v, redirected %+v", k, first.Target(), r.Target())
		}
	}
}
