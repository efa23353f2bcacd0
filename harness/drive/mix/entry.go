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
	host     string // of the Host header
	hostPort string // to connect to
	baseURL  string // scheme and host
	prefix   string // of every path
}

// parseEntries reads base, which stands under "", and the named entries.
func parseEntries(base string, named map[string]string) (map[string]entry, error) {
	main, err := parseEntry(base)
	if err != nil {
		return nil, fmt.Errorf("base_url %w", err)
	}
	places := map[string]entry{"": main}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if name == "" {
			return nil, errors.New("entries: one has no name; base_url is where requests go that come from nowhere")
		}
		if places[name], err = parseEntry(named[name]); err != nil {
			return nil, fmt.Errorf("entries.%s %w", name, err)
		}
	}
	return places, nil
}

func parseEntry(base string) (entry, error) {
	u, err := url.Parse(base)
	if err != nil {
		return entry{}, fmt.Errorf("%q: %w", base, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return entry{}, fmt.Errorf("%q must be scheme, host and port, for example http://127.0.0.1:8080", base)
	}
	if !httpguts.ValidHostHeader(u.Host) {
		return entry{}, fmt.Errorf("%q: %q cannot be sent as a Host header", base, u.Host)
	}
	port := u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return entry{}, fmt.Errorf("%q: the port must be 1 to 65535", base)
	}
	e := entry{secure: u.Scheme == "https", host: u.Host, baseURL: u.Scheme + "://" + u.Host, prefix: strings.TrimSuffix(u.EscapedPath(), "/")}
	if port == "" && e.secure {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	e.hostPort = net.JoinHostPort(u.Hostname(), port)
	return e, nil
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
