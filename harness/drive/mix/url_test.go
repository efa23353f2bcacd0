// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

func mustTarget(t testing.TB, target vegeta.Target) *Mix {
	t.Helper()
	m, err := NewFromTargets([]vegeta.Target{target}, nil)
	if err != nil {
		t.Fatalf("%+v: %v", target, err)
	}
	return m
}

// Where a URL leads, and what of it is sent.
func TestURLs(t *testing.T) {
	for _, test := range []struct {
		raw, hostPort, host, path, url, authorization string
	}{
		{raw: "http://shop", hostPort: "shop:80", host: "shop", path: "/", url: "http://shop/"},
		{raw: "HTTPS://shop/?", hostPort: "shop:443", host: "shop", path: "/?", url: "https://shop/?"},
		{raw: "http://shop:/a", hostPort: "shop:80", host: "shop", path: "/a", url: "http://shop/a"},
		{raw: "http://0.0.0.0:81/", hostPort: "0.0.0.0:81", host: "0.0.0.0:81", path: "/", url: "http://0.0.0.0:81/"},
		{raw: "http://[::]:81/a%2Fb//..?c=ü", hostPort: "[::]:81", host: "[::]:81", path: "/a%2Fb//..?c=ü", url: "http://[::]:81/a%2Fb//..?c=ü"},
		{raw: "http://[::1]/é", hostPort: "[::1]:80", host: "[::1]", path: "/%C3%A9", url: "http://[::1]/%C3%A9"},
		{raw: "http://[::1%25lo]:18082/", hostPort: "[::1%lo]:18082", host: "[::1]:18082", path: "/", url: "http://[::1%25lo]:18082/"},
		{raw: "https://[fe80::1%25eth0.5]", hostPort: "[fe80::1%eth0.5]:443", host: "[fe80::1]", path: "/", url: "https://[fe80::1%25eth0.5]/"},
		{raw: "http://user:p%40ss@h:1/auth", hostPort: "h:1", host: "h:1", path: "/auth", url: "http://h:1/auth", authorization: "user:p@ss"},
		{raw: "https://user@h/@", hostPort: "h:443", host: "h", path: "/@", url: "https://h/@", authorization: "user:"},
		{raw: "http://:%3A%C3%BC@h/", hostPort: "h:80", host: "h", path: "/", url: "http://h/", authorization: "::ü"},
	} {
		m := mustTarget(t, vegeta.Target{Method: "GET", URL: test.raw})
		r := m.Pick(0)
		if m.HostPorts()[0] != test.hostPort || r.Authority() != test.host || string(r.AppendPath(nil)) != test.path || r.Target().URL != test.url || m.Names()[0] != "GET "+test.path {
			t.Errorf("%s: to %s, host %s, path %s, target %s, name %s", test.raw, m.HostPorts()[0], r.Authority(), r.AppendPath(nil), r.Target().URL, m.Names()[0])
		}
		if _, err := url.Parse(r.Target().URL); err != nil {
			t.Errorf("%s: its target cannot be read: %v", test.raw, err)
		}
		sent := readWire(t, m, 0)
		user, password, _ := sent.BasicAuth()
		if test.authorization == "" && sent.Header["Authorization"] != nil || test.authorization != "" && user+":"+password != test.authorization || sent.Host != test.host || sent.RequestURI != test.path {
			t.Errorf("%s: sent with user %q, password %q, host %s, URI %s", test.raw, user, password, sent.Host, sent.RequestURI)
		}
	}
}

// net/http sends the same host and credentials.
func TestURLsAreSentAsNetHTTPDoes(t *testing.T) {
	for _, raw := range []string{"http://user:p%40ss@%s/a", "http://user@%s/a?", "http://@%s/", "http://%s/a%20b?c=d"} {
		asked := make(chan *http.Request, 1)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r }))
		target := strings.Replace(raw, "%s", server.Listener.Addr().String(), 1)
		answer, err := http.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close() //nolint:errcheck // empty
		server.Close()
		got := <-asked
		sent := readWire(t, mustTarget(t, vegeta.Target{Method: "GET", URL: target}), 0)
		if sent.Header.Get("Authorization") != got.Header.Get("Authorization") || sent.Host != got.Host || sent.RequestURI != got.RequestURI {
			t.Errorf("%s: sent %q %s %s, net/http sends %q %s %s", raw, sent.Header.Get("Authorization"), sent.Host, sent.RequestURI, got.Header.Get("Authorization"), got.Host, got.RequestURI)
		}
	}
}

func TestURLsAreRefused(t *testing.T) {
	for raw, says := range map[string]string{
		"":                         "the URL is empty",
		"http://127.0.0.1:0/":      "http://127.0.0.1:0/: the port must be 1 to 65535",
		"http://h:65536/":          "http://h:65536/: the port must be 1 to 65535",
		"http://h:-1/":             "http://h:-1/: invalid port",
		"127.0.0.1:80/":            "127.0.0.1:80/: it must be an http or https URL",
		"localhost:80":             "localhost:80 must be an http or https URL",
		"/relative":                "/relative must be an http or https URL",
		"http:///a":                "with its host",
		"ws://h/":                  "ws://h/ must be an http or https URL",
		"http://h/a b":             "a blank as %20",
		"http://h/a\nb":            "control character",
		"http://h/#a":              "http://h/: a fragment is never sent",
		"http://h/a#":              "fragment",
		"http://bücher.example/":   "in ASCII",
		"http://a%3Ab:secret@h/":   "can't hold a colon",
		"http://a:secret%0A@h/":    "http://h/: the user and the password in a URL can't hold control characters",
		"http://a:sec%zzret@h/":    "http://h/: it is not a URL",
		"http://a:secret/@h/":      "http://h/: it is not a URL",
		"http://a:secret@h:0/@b":   "http://h:0/@b: the port",
		"http://a:secret @h/":      `"http://h/" holds a blank`,
		"http://a:1#secret@h/":     "fragment",
		"a:secret@h/b":             "h/b must be an http or https URL",
		"ftp://a:secret@h/b@c?d#e": "fragment",
	} {
		_, err := NewFromTargets([]vegeta.Target{{Method: "GET", URL: raw}}, nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", raw, err, says)
			continue
		}
		if text := err.Error(); strings.Contains(text, "base_url") || strings.Contains(text, "target 1") || strings.Contains(text, "secret") {
			t.Errorf("%q: %v", raw, err)
		}
		good := vegeta.Target{Method: "GET", URL: "http://h/"}
		if _, err := NewFromTargets([]vegeta.Target{good, {Method: "GET", URL: raw}}, nil); err == nil || !strings.HasPrefix(err.Error(), "target 2: ") {
			t.Errorf("%q as one of two: %v", raw, err)
		}
	}
}

// Credentials of a base URL and of entries are sent to those alone, and shown
// nowhere. Two users of one place share its connections.
func TestCredentialsOfEntries(t *testing.T) {
	m, err := NewFrom("http://main:one@h:80/v1", map[string]string{"eu": "http://eu:two@h:80", "us": "http://us:80"}, http.Header{"A": {"b"}}, []scenarios.Endpoint{
		{Name: "main", Method: "GET", Path: "/", Weight: 0.4},
		{Name: "eu", Method: "GET", Path: "/", Weight: 0.3, From: "eu"},
		{Name: "us", Method: "GET", Path: "/", Weight: 0.3, From: "us"},
	}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.HostPorts(), " "); got != "h:80 us:80" {
		t.Errorf("entries %s", got)
	}
	want := []string{"main one", "eu two", " "}
	for k := range uint64(50) {
		sent := readWire(t, m, k)
		user, password, _ := sent.BasicAuth()
		if name := m.Pick(k).Name(); user+" "+password != want[name] || sent.Header.Get("A") != "b" {
			t.Errorf("%s is sent as %s %s", m.Names()[name], user, password)
		}
		target := m.Target(k)
		user, password, _ = (&http.Request{Header: target.Header}).BasicAuth()
		if name := m.Pick(k).Name(); strings.Contains(target.URL, "@") || user+" "+password != want[name] {
			t.Errorf("%s has the target %s of %s %s", m.Names()[name], target.URL, user, password)
		}
	}
	for says, base := range map[string]string{"base_url http://h:0: the port": "http://a:secret@h:0", "base_url http://h/?a must be scheme, host and port": "http://a:secret@h/?a"} {
		if _, err := New(base, nil, testMix, testKeys, 1); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", base, err, says)
		}
	}
}

func TestShown(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h/a@b": "http://h/a@b", "http://u:p@h/a@b?c@d": "http://h/a@b?c@d", "u:p@h/": "h/", "http://u:p/q@h/": "http://h/",
		"http://u:p%zz@h/": "http://h/", "": "", "http://u@": "http://", "http://u:p@h": "http://h",
	} {
		if got := Shown(raw); got != want {
			t.Errorf("%q is shown as %q, want %q", raw, got, want)
		}
	}
}

// What is connected to can be dialled as it is.
func TestHostPortWithZoneIsAnAddress(t *testing.T) {
	m := mustTarget(t, vegeta.Target{Method: "GET", URL: "http://[fe80::1%25lo]:18082/"})
	addr, err := net.ResolveTCPAddr("tcp", m.HostPorts()[0])
	if err != nil || addr.Zone != "lo" || addr.IP.String() != "fe80::1" || addr.Port != 18082 {
		t.Errorf("address %+v, error %v", addr, err)
	}
}
