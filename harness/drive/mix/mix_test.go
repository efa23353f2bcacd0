// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

var testKeys = map[string]scenarios.Keys{
	"user": {Distribution: "zipf", Exponent: 0.99, Count: 1000},
	"term": {Distribution: "uniform", Count: 50},
}

var testMix = []scenarios.Endpoint{
	{Name: "user", Method: "GET", Path: "/api/users/{user}", Weight: 0.6, Expect: `"id":{user},`},
	{Name: "search", Method: "GET", Path: "/api/search?q=w{term}", Weight: 0.25},
	{Name: "edit", Method: "PUT", Path: "/api/users/{user}", Weight: 0.1, Body: `{"id":{user},"bio":"request {seq}"}`},
	{Name: "feed", Method: "GET", Path: "/api/feed", Weight: 0.05},
}

func mustNew(t testing.TB, seed uint64) *Mix {
	t.Helper()
	m, err := New("http://127.0.0.1:8080", http.Header{"X-Test": {"1"}}, testMix, testKeys, seed)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wire(m *Mix, k uint64) string {
	text, rest, _ := m.Pick(k).AppendWire(nil)
	text = append(text, rest...)
	return string(text)
}

func TestWire(t *testing.T) {
	for _, test := range []struct {
		base     string
		endpoint scenarios.Endpoint
		want     string
	}{
		{"http://shop", scenarios.Endpoint{Method: "GET", Path: "/a?b=c"}, "GET /a?b=c HTTP/1.1\r\nHost: shop\r\n\r\n"},
		{"http://shop:8080/v1/", scenarios.Endpoint{Method: "GET", Path: "/a/{seq}"}, "GET /v1/a/7 HTTP/1.1\r\nHost: shop:8080\r\n\r\n"},
		{"http://[::1]:80", scenarios.Endpoint{Method: "HEAD", Path: "/"}, "HEAD / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"},
		{"http://shop", scenarios.Endpoint{Method: "POST", Path: "/"}, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"},
		{"http://shop", scenarios.Endpoint{Method: "POST", Path: "/", Body: `{"n":{seq}}`}, "POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"n\":7}"},
		{"http://shop", scenarios.Endpoint{Method: "PUT", Path: "/{seq}/{seq}", Body: "é{x"}, "PUT /7/7 HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\né{x"},
	} {
		test.endpoint.Name, test.endpoint.Weight = "e", 1
		m, err := New(test.base, nil, []scenarios.Endpoint{test.endpoint}, nil, 1)
		if err != nil {
			t.Errorf("%v: %v", test.endpoint, err)
			continue
		}
		if got := wire(m, 7); got != test.want {
			t.Errorf("%s %s is sent as\n%q, want\n%q", test.endpoint.Method, test.endpoint.Path, got, test.want)
		}
	}
}

// What goes on the wire and what vegeta would send are the same request.
func TestWireIsTheTarget(t *testing.T) {
	m := mustNew(t, 3)
	for k := range uint64(500) {
		text, rest, length := m.Pick(k).AppendWire(nil)
		text = append(text, rest...)
		sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		body, err := io.ReadAll(sent.Body)
		if err != nil {
			t.Fatal(err)
		}
		target := m.Target(k)
		want, err := target.Request()
		if err != nil {
			t.Fatal(err)
		}
		if sent.Method != want.Method || "http://"+sent.Host+sent.RequestURI != target.URL || string(body) != string(target.Body) || length != len(body) {
			t.Errorf("request %d is %s %s%s %q, its target %s %s %q", k, sent.Method, sent.Host, sent.RequestURI, body, target.Method, target.URL, target.Body)
		}
		for name := range want.Header {
			if sent.Header.Get(name) != want.Header.Get(name) {
				t.Errorf("request %d: header %s is %q, the target's %q", k, name, sent.Header.Get(name), want.Header.Get(name))
			}
		}
	}
}

func TestRequestsDependOnSeedAndNumberAlone(t *testing.T) {
	const n = 1000
	forward, backward, other := mustNew(t, 3), mustNew(t, 3), mustNew(t, 4)
	var want [n]string
	for k := range want {
		want[k] = wire(forward, uint64(k))
	}
	differ := 0
	for k := n - 1; k >= 0; k-- {
		if got := wire(backward, uint64(k)); got != want[k] {
			t.Fatalf("request %d is %q, and in another order %q", k, want[k], got)
		}
		if wire(other, uint64(k)) != want[k] {
			differ++
		}
	}
	if differ < n/2 {
		t.Errorf("another seed changes only %d of %d requests", differ, n)
	}
}

func TestExpectHoldsThePathsKey(t *testing.T) {
	m := mustNew(t, 9)
	checked := 0
	for k := range uint64(200) {
		r := m.Pick(k)
		if m.Names()[r.Name()] != "user" {
			continue
		}
		checked++
		id := strings.TrimPrefix(m.Target(k).URL, "http://127.0.0.1:8080/api/users/")
		if got := string(r.AppendExpect(nil)); got != fmt.Sprintf(`"id":%s,`, id) {
			t.Errorf("request %d for user %s expects %s", k, id, got)
		}
	}
	if checked == 0 {
		t.Error("no request was for a user")
	}
}

func TestWeights(t *testing.T) {
	const n = 100_000
	m := mustNew(t, 1)
	var seen [4]float64
	for k := range uint64(n) {
		seen[m.Pick(k).Name()]++
	}
	for i, e := range testMix {
		if sigma := math.Sqrt(n * e.Weight * (1 - e.Weight)); math.Abs(seen[i]-n*e.Weight) > 4*sigma {
			t.Errorf("%s came %v times of %d, its weight is %v", e.Name, seen[i], n, e.Weight)
		}
	}
}

func TestIdempotentAndHead(t *testing.T) {
	for method, want := range map[string][2]bool{"GET": {true, false}, "HEAD": {true, true}, "PUT": {true, false}, "DELETE": {true, false}, "POST": {false, false}, "PATCH": {false, false}} {
		m, err := New("http://shop", nil, []scenarios.Endpoint{{Name: "e", Method: method, Path: "/", Weight: 1}}, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Pick(0); r.Idempotent() != want[0] || r.Head() != want[1] {
			t.Errorf("%s: idempotent %v, head %v", method, r.Idempotent(), r.Head())
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := scenarios.Endpoint{Name: "e", Method: "GET", Path: "/", Weight: 1}
	with := func(change func(*scenarios.Endpoint)) []scenarios.Endpoint {
		e := good
		change(&e)
		return []scenarios.Endpoint{e}
	}
	for _, test := range []struct {
		base   string
		header http.Header
		mix    []scenarios.Endpoint
		keys   map[string]scenarios.Keys
		says   string
	}{
		{base: "ftp://shop", says: "http://127.0.0.1:8080"},
		{base: "shop:80", says: "base_url"},
		{base: "http://", says: "base_url"},
		{base: "http://shop:70000", says: "port"},
		{base: "http://a:b@shop", header: http.Header{"authorization": {"x"}}, says: "give one"},
		{base: "http://shop/?q=1", says: "base_url"},
		{mix: []scenarios.Endpoint{}, says: "0 endpoints"},
		{mix: with(func(e *scenarios.Endpoint) { e.Weight = 0.5 }), says: "sum to 0.5"},
		{mix: with(func(e *scenarios.Endpoint) { e.Weight = math.NaN() }), says: "between 0 and 1"},
		{mix: []scenarios.Endpoint{good, good}, says: "twice"},
		{mix: with(func(e *scenarios.Endpoint) { e.Name = "" }), says: "name"},
		{mix: with(func(e *scenarios.Endpoint) { e.Path = "api" }), says: "begin with /"},
		{mix: with(func(e *scenarios.Endpoint) { e.Path = "/a b" }), says: "%20"},
		{mix: with(func(e *scenarios.Endpoint) { e.Path = "/\r\nEvil: 1" }), says: "control character"},
		{mix: with(func(e *scenarios.Endpoint) { e.Path = "/{usr}" }), says: "{usr} is not among the keys, which are {seq}"},
		{mix: with(func(e *scenarios.Endpoint) { e.Method = "get" }), says: "write GET"},
		{mix: with(func(e *scenarios.Endpoint) { e.Method = "" }), says: "method"},
		{mix: with(func(e *scenarios.Endpoint) { e.Method, e.Expect = "HEAD", "x" }), says: "no body to expect"},
		{keys: map[string]scenarios.Keys{"u": {Distribution: "zipf", Exponent: 0, Count: 1}}, says: "exponent"},
		{keys: map[string]scenarios.Keys{"u": {Distribution: "normal", Count: 1}}, says: `"zipf" or "uniform"`},
		{keys: map[string]scenarios.Keys{"u": {Distribution: "uniform"}}, says: "count of 0"},
		{keys: map[string]scenarios.Keys{"seq": {Distribution: "uniform", Count: 1}}, says: "cannot be a placeholder"},
		{header: http.Header{"Content-Length": {"1"}}, says: "Content-Length is \"1\" and the body has 0 bytes"},
		{header: http.Header{"A": {"b\r\nC: d"}}, says: "cannot be sent"},
		{header: http.Header{"Bad Name": {"b"}}, says: "cannot be sent"},
	} {
		if test.base == "" {
			test.base = "http://shop"
		}
		if test.mix == nil {
			test.mix = []scenarios.Endpoint{good}
		}
		if _, err := New(test.base, test.header, test.mix, test.keys, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: error %v, want one that says %q", test, err, test.says)
		}
	}
}

func TestTargetsTakeTurns(t *testing.T) {
	m, err := NewFromTargets([]vegeta.Target{
		{Method: "GET", URL: "http://shop:81/a"},
		{Method: "POST", URL: "http://shop:81/b?c", Body: []byte("body"), Header: http.Header{"Content-Type": {"text/plain"}, "host": {"other"}}},
	}, http.Header{"X-All": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"GET /a HTTP/1.1\r\nHost: shop:81\r\nX-All: 1\r\n\r\n",
		"POST /b?c HTTP/1.1\r\nHost: other\r\nContent-Type: text/plain\r\nX-All: 1\r\nContent-Length: 4\r\n\r\nbody",
	}
	for k := range uint64(4) {
		if got := wire(m, k); got != want[k%2] {
			t.Errorf("request %d is %q, want %q", k, got, want[k%2])
		}
	}
	if got := strings.Join(m.Names(), ", "); got != "GET /a, POST /b?c" || m.HostPorts()[0] != "shop:81" || m.Secure() {
		t.Errorf("names %s, host %s, secure %v", got, m.HostPorts(), m.Secure())
	}
}

func TestManyTargetsShareAName(t *testing.T) {
	var targets []vegeta.Target
	for i := range 3 * maxNames {
		targets = append(targets, vegeta.Target{Method: "GET", URL: fmt.Sprintf("https://shop/%d", i)})
	}
	m, err := NewFromTargets(targets, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Names()) != maxNames+1 || m.Names()[maxNames] != sharedName || m.Pick(maxNames+5).Name() != maxNames || m.Pick(3).Name() != 3 {
		t.Errorf("%d names, the last %s", len(m.Names()), m.Names()[len(m.Names())-1])
	}
	if m.HostPorts()[0] != "shop:443" || !m.Secure() {
		t.Errorf("host %s, secure %v", m.HostPorts()[0], m.Secure())
	}
}

func TestTargetsOfTwoHostsAreRefused(t *testing.T) {
	_, err := NewFromTargets([]vegeta.Target{{Method: "GET", URL: "http://a/"}, {Method: "GET", URL: "http://b/"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "target 2") || !strings.Contains(err.Error(), "http://b") {
		t.Errorf("error %v", err)
	}
	if _, err := NewFromTargets(nil, nil); err == nil {
		t.Error("an empty list is accepted")
	}
}

func BenchmarkAppendWire(b *testing.B) {
	m := mustNew(b, 1)
	var text []byte
	b.ReportAllocs()
	for k := range uint64(b.N) {
		text, _, _ = m.Pick(k).AppendWire(text[:0])
	}
}
