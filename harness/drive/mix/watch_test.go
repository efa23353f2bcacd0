// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"fmt"
	"strings"
	"testing"

	"headroom/scenarios"
)

var watchKeys = map[string]scenarios.Keys{
	"user": {Distribution: "uniform", Count: 50}, "reader": {Distribution: "zipf", Exponent: 1, Count: 50},
}

func TestRequestsGoWhereTheyComeFrom(t *testing.T) {
	mix := []scenarios.Endpoint{
		{Name: "near", Method: "GET", Path: "/a", Weight: 0.5, From: "near"},
		{Name: "far", Method: "GET", Path: "/b", Weight: 0.25, From: "far"},
		{Name: "main", Method: "GET", Path: "/c", Weight: 0.25},
	}
	// near is the main entry under another name: they share its connections.
	entries := map[string]string{"near": "http://here:80", "far": "http://there:81/v2"}
	m, err := NewFrom("http://here:80", entries, nil, mix, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.HostPorts(); len(got) != 2 || got[0] != "here:80" || got[1] != "there:81" {
		t.Fatalf("entries %q", got)
	}
	want := []struct{ host, path, url string }{{"here:80", "/a", "http://here:80/a"}, {"there:81", "/v2/b", "http://there:81/v2/b"}, {"here:80", "/c", "http://here:80/c"}}
	for k := range uint64(200) {
		r := m.Pick(k)
		w := want[r.Name()]
		if text := wire(m, k); !strings.HasPrefix(text, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n", w.path, w.host)) || m.HostPorts()[r.Entry()] != w.host || m.Target(k).URL != w.url {
			t.Fatalf("request %d of %s is %q to %s, target %s", k, m.Names()[r.Name()], text, m.HostPorts()[r.Entry()], m.Target(k).URL)
		}
	}
}

func TestEntriesAreRefused(t *testing.T) {
	endpoint := func(from string) []scenarios.Endpoint {
		return []scenarios.Endpoint{
			{Name: "a", Method: "GET", Path: "/", Weight: 0.5, From: from}, {Name: "b", Method: "GET", Path: "/", Weight: 0.5},
		}
	}
	for _, test := range []struct {
		entries map[string]string
		from    string
		says    string
	}{
		{map[string]string{"eu": "http://eu:80"}, "us", `"us", which is none`},
		{map[string]string{"eu": "eu:80"}, "eu", "entries.eu"},
		{map[string]string{"": "http://eu:80"}, "", "no name"},
		{map[string]string{"eu": "https://eu:443"}, "eu", "all entries must be http, or all https"},
	} {
		if _, err := NewFrom("http://main:80", test.entries, nil, endpoint(test.from), nil, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v from %q: error %v, want %q", test.entries, test.from, err, test.says)
		}
	}
}

func TestSessionIsSentAndNumbered(t *testing.T) {
	m, err := New("http://shop", nil, []scenarios.Endpoint{
		{Name: "read", Method: "GET", Path: "/u/{user}", Weight: 0.4, Session: "{user}", Object: "user {user}"},
		{Name: "write", Method: "PUT", Path: "/u/{reader}", Weight: 0.4, Body: "x", Session: "{seq}", Object: "user {reader}", Creates: "posts"},
		{Name: "fixed", Method: "GET", Path: "/f", Weight: 0.1, Session: "12", Object: "feed"},
		{Name: "nobody", Method: "GET", Path: "/n", Weight: 0.1},
	}, watchKeys, 5)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[uint64]bool{}
	for k := range uint64(1000) {
		r, text := m.Pick(k), wire(m, k)
		name := m.Names()[r.Name()]
		line := fmt.Sprintf("\r\n%s: %d\r\n", SessionHeader, r.Session())
		if strings.Contains(text, SessionHeader) != (name != "nobody") || name != "nobody" && !strings.Contains(text, line) {
			t.Fatalf("%s of session %d is sent as %q", name, r.Session(), text)
		}
		if got := m.Target(k).Header.Get(SessionHeader); name != "nobody" && got != fmt.Sprint(r.Session()) {
			t.Fatalf("%s of session %d has a target with session %q", name, r.Session(), got)
		}
		object, ok := r.Object()
		table, creates := r.Creates()
		if ok != (name != "nobody") || creates != (name == "write") || creates && m.Created()[table] != "posts" || r.Reads() != (name != "write") {
			t.Fatalf("%s: object %v, creates %v, reads %v", name, ok, creates, r.Reads())
		}
		if ok {
			if seen[name] == nil {
				seen[name] = map[uint64]bool{}
			}
			seen[name][object] = true
			if number := strings.TrimPrefix(m.ObjectName(object), "user "); name != "fixed" && !strings.Contains(text, "/u/"+number+" ") {
				t.Fatalf("%s is an access to %q: %q", name, m.ObjectName(object), text)
			}
		}
	}
	both := 0
	for object := range seen["read"] {
		if seen["write"][object] {
			both++
		}
	}
	if both < 20 || len(seen["fixed"]) != 1 {
		t.Errorf("%d users are read and written, of %d and %d: a user is one however drawn; the feed is %d things", both, len(seen["read"]), len(seen["write"]), len(seen["fixed"]))
	}
}

func TestWatchRefuses(t *testing.T) {
	for _, test := range []struct {
		endpoint scenarios.Endpoint
		says     string
	}{
		{scenarios.Endpoint{Session: "{nobody}"}, "{nobody}"},
		{scenarios.Endpoint{Session: "u{user}"}, "one placeholder"},
		{scenarios.Endpoint{Session: "0"}, "above 0"},
		{scenarios.Endpoint{Session: "{user}{reader}"}, "2 placeholders"},
		{scenarios.Endpoint{Object: "{user} {reader}"}, "2 placeholders"},
		{scenarios.Endpoint{Object: "{thing}"}, "{thing}"},
	} {
		test.endpoint.Name, test.endpoint.Method, test.endpoint.Path, test.endpoint.Weight = "e", "GET", "/", 1
		if _, err := New("http://shop", nil, []scenarios.Endpoint{test.endpoint}, watchKeys, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: error %v, want %q", test.endpoint, err, test.says)
		}
	}
}
