// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// entry is one place where requests are sent.
type entry struct {
	secure   bool   // https
	host     string // of the Host header: never with an IPv6 zone
	hostPort string // to connect to
	baseURL  string // scheme and host, never with credentials
	prefix   string // of every path

	authorization string // the header's value for the URL's credentials, if it has any
}

// parseEntries reads base, which stands under "", and the named entries.
func parseEntries(base string, named map[string]string) (map[string]entry, error) {
	main, err := parseBase(base)
	if err != nil {
		return nil, fmt.Errorf("base_url %w", err)
	}
	places := map[string]entry{"": main}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if name == "" {
			return nil, errors.New("entries: one has no name; base_url is where requests go that come from nowhere")
		}
		if places[name], err = parseBase(named[name]); err != nil {
			return nil, fmt.Errorf("entries.%s %w", name, err)
		}
	}
	return places, nil
}

// parseBase reads the URL to which paths are appended.
func parseBase(base string) (entry, error) {
	u, err := parseURL(base)
	if err != nil {
		return entry{}, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return entry{}, fmt.Errorf("%s must be scheme, host and port, for example http://127.0.0.1:8080, without a query", Shown(base))
	}
	return newEntry(u, base)
}

// newEntry reads the place that u leads to. raw is u as it was given.
func newEntry(u *url.URL, raw string) (entry, error) {
	port := u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return entry{}, fmt.Errorf("%s: the port must be 1 to 65535", Shown(raw))
	}
	host := strings.TrimSuffix(u.Host, ":") // an empty port is the scheme's
	e := entry{
		secure: u.Scheme == "https", host: withoutZone(host), prefix: strings.TrimSuffix(u.EscapedPath(), "/"),
		baseURL: (&url.URL{Scheme: u.Scheme, Host: host}).String(), // with % of a zone escaped
	}
	if !httpguts.ValidHostHeader(e.host) {
		return entry{}, fmt.Errorf("%s: %q cannot be sent as a Host header: write the host in ASCII, bücher.example as xn--bcher-kva.example", Shown(raw), e.host)
	}
	if port == "" && e.secure {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	e.hostPort = net.JoinHostPort(u.Hostname(), port)
	var err error
	if e.authorization, err = basicAuth(u.User); err != nil {
		return entry{}, fmt.Errorf("%s: %w", Shown(raw), err)
	}
	return e, nil
}

// withoutZone removes the zone of an IPv6 address: a zone has a meaning on this computer
// only (RFC 6874, 4).
func withoutZone(host string) string {
	end := strings.LastIndexByte(host, ']')
	zone := strings.IndexByte(host, '%')
	if !strings.HasPrefix(host, "[") || zone < 0 || zone > end {
		return host
	}
	return host[:zone] + host[end:]
}

// enter returns the index of a place among those that requests are sent to.
// Two names of the same place share it, so that they share connections.
func (m *Mix) enter(place entry) (int, error) {
	for i, known := range m.entries {
		if known.secure != place.secure {
			return 0, fmt.Errorf("it is sent to %s, others to %s: all entries must be http, or all https", place.baseURL, known.baseURL)
		}
		if known.baseURL == place.baseURL {
			return i, nil
		}
	}
	m.entries = append(m.entries, place)
	return len(m.entries) - 1, nil
}
