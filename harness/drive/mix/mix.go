// SPDX-License-Identifier: Apache-2.0

// Package mix says what request k is: its endpoint, and the keys in its path, body and
// expected answer. All of these are drawn from (seed, k) and never from the clock, so both
// variants of an experiment get the same requests.
package mix

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"headroom/harness/drive/draw"
	"headroom/scenarios"
)

// Limits of a mix.
const (
	MaxEndpoints = 1000      // of a mix
	MaxTargets   = 1_000_000 // of a targets file
	// maxNames is how many endpoints are measured separately. Further targets share one
	// name, so that memory does not grow with the list.
	maxNames   = 64
	sharedName = "other targets"
	maxKeys    = 1 << 40 // values of a placeholder
)

// Mix is the compiled requests of a load. It never changes: many goroutines
// may use it at once.
type Mix struct {
	entries   []entry // where requests are sent; one in the common case
	endpoints []endpoint
	names     []string  // of the endpoints that are measured separately
	bounds    []float64 // cumulative weights; nil: the endpoints take turns
	choice    draw.Stream
	objects   []string // kinds of objects, "user {}"
	created   []string // tables in which requests create rows
	inHeaders bool     // an answer's header shows a version or an id
	redirects bool     // the last of names is that of followed redirects
}

// endpoint is one compiled kind of request.
type endpoint struct {
	name    int
	entry   int // into Mix.entries
	method  string
	path    template
	body    template
	expect  template // empty: any body will do
	session template // empty: nobody's
	header  http.Header
	compiledHeader
	head  string // method, space
	tail  string // " HTTP/1.1", the header lines that are the same for every request
	fixed string // the whole request when it is the same every time

	fixedBody int // length of the body in it
	tracking
}

// New compiles endpoints, drawn by weight, for the system at base (scheme,
// host, port and perhaps a path prefix). header is sent with every request.
func New(base string, header http.Header, endpoints []scenarios.Endpoint, keys map[string]scenarios.Keys, seed uint64) (*Mix, error) {
	return NewFrom(base, nil, header, endpoints, keys, seed)
}

// NewFrom is New for a system with several entries. Requests of an endpoint go to the
// entry that its From names, or to base without a From.
func NewFrom(base string, entries map[string]string, header http.Header, endpoints []scenarios.Endpoint, keys map[string]scenarios.Keys, seed uint64) (*Mix, error) {
	m := &Mix{choice: draw.NewStream(seed, "endpoint")}
	places, err := parseEntries(base, entries)
	if err != nil {
		return nil, err
	}
	if len(endpoints) == 0 || len(endpoints) > MaxEndpoints {
		return nil, fmt.Errorf("the mix has %d endpoints: it must have 1 to %d", len(endpoints), MaxEndpoints)
	}
	compiled, err := compileKeys(keys, seed)
	if err != nil {
		return nil, err
	}
	var sum float64
	for i, e := range endpoints {
		place, known := places[e.From]
		if !known {
			return nil, fmt.Errorf("mix[%d] %q: it comes from %q, which is none of the entries", i, e.Name, e.From)
		}
		if err := m.add(e, place, header, compiled); err != nil {
			return nil, fmt.Errorf("mix[%d] %q: %w", i, e.Name, err)
		}
		sum += e.Weight
		m.bounds = append(m.bounds, sum)
	}
	if !(math.Abs(sum-1) <= 1e-6) {
		return nil, fmt.Errorf("the mix's weights sum to %v: they must sum to 1", sum)
	}
	return m, nil
}

func compileKeys(keys map[string]scenarios.Keys, seed uint64) (map[string]*draw.Keys, error) {
	compiled := map[string]*draw.Keys{SeqPlaceholder: nil}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		k := keys[name]
		if placeholder.FindString("{"+name+"}") != "{"+name+"}" || name == SeqPlaceholder {
			return nil, fmt.Errorf("keys: %q cannot be a placeholder: take lower-case letters and _, and not %q", name, SeqPlaceholder)
		}
		if k.Count < 1 || k.Count > maxKeys {
			return nil, fmt.Errorf("keys.%s: a count of %d: it must be 1 to %d", name, k.Count, int64(maxKeys))
		}
		stream := draw.NewStream(seed, "key "+name)
		var drawn draw.Keys
		switch k.Distribution {
		case "uniform":
			drawn = draw.NewUniform(stream, k.Count)
		case "zipf":
			if !(k.Exponent > 0 && k.Exponent <= 5) {
				return nil, fmt.Errorf("keys.%s: zipf's exponent %v must be above 0 and at most 5", name, k.Exponent)
			}
			drawn = draw.NewZipf(stream, k.Count, k.Exponent)
		default:
			return nil, fmt.Errorf(`keys.%s: the distribution %q is unknown: write "zipf" or "uniform"`, name, k.Distribution)
		}
		compiled[name] = &drawn
	}
	return compiled, nil
}

func (m *Mix) add(e scenarios.Endpoint, place entry, header http.Header, keys map[string]*draw.Keys) error {
	if !(e.Weight >= 0 && e.Weight <= 1) {
		return fmt.Errorf("a weight of %v: it must lie between 0 and 1", e.Weight)
	}
	if e.Name == "" || slices.Contains(m.names, e.Name) {
		return fmt.Errorf("its name must be given and must not stand twice")
	}
	if !strings.HasPrefix(e.Path, "/") {
		return fmt.Errorf("path %q must begin with /", e.Path)
	}
	for _, name := range placeholders(e.Path + e.Body + e.Expect + e.Session + e.Object) {
		if _, ok := keys[name]; !ok {
			return fmt.Errorf("placeholder {%s} is not among the keys, which are %s", name, quoteAll(keys))
		}
	}
	if e.Method == http.MethodHead && e.Expect != "" {
		return fmt.Errorf("an answer to HEAD has no body to expect %q in", e.Expect)
	}
	at, err := m.enter(place)
	if err != nil {
		return err
	}
	m.names = append(m.names, e.Name)
	compiled := endpoint{
		name: len(m.names) - 1, entry: at, method: e.Method, header: header.Clone(),
		path: parseTemplate(place.prefix+e.Path, keys), body: parseTemplate(e.Body, keys),
	}
	if e.Expect != "" {
		compiled.expect = parseTemplate(e.Expect, keys)
	}
	if e.Session != "" {
		compiled.session = parseTemplate(e.Session, keys)
	}
	if compiled.tracking, err = m.watch(e, keys); err != nil {
		return err
	}
	if compiled.header == nil {
		compiled.header = http.Header{}
	}
	if len(compiled.session) > 0 && has(compiled.header, SessionHeader) {
		return fmt.Errorf("its session and a header %s are given: give one", SessionHeader)
	}
	if e.Body != "" && !has(compiled.header, "Content-Type") {
		compiled.header.Set("Content-Type", "application/json")
	}
	if err := place.authorize(compiled.header); err != nil {
		return err
	}
	if err := compiled.check(&m.entries[at], place.prefix+e.Path); err != nil {
		return err
	}
	compiled.render()
	m.endpoints = append(m.endpoints, compiled)
	return nil
}

// check checks what goes on the wire and compiles the header.
func (e *endpoint) check(place *entry, path string) error {
	if upper := strings.ToUpper(e.method); upper != e.method {
		return fmt.Errorf("method %q: HTTP methods are case-sensitive and in upper case: write %s", e.method, upper)
	}
	if !httpguts.ValidHeaderFieldName(e.method) || e.method == http.MethodConnect {
		return fmt.Errorf("method %q must be an upper-case HTTP method other than CONNECT", e.method)
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return fmt.Errorf("path %q holds a blank, a control character or #: escape it, a blank as %%20", path)
	}
	if before, _, _ := strings.Cut(path, "?"); !goodEscapes.MatchString(before) {
		return fmt.Errorf("path %q holds a %% that two hexadecimal digits do not follow: write it as %%25", path)
	}
	return e.compileHeader(place)
}

// goodEscapes is a path whose percent signs begin escapes (RFC 3986, section
// 2.1). A query is sent as it is.
var goodEscapes = regexp.MustCompile(`^(?s)([^%]|%[0-9A-Fa-f]{2})*$`)

// render renders the constant parts of the request.
func (e *endpoint) render() {
	e.head = e.method + " "
	e.tail = " HTTP/1.1\r\nHost: " + e.authority + "\r\n" + e.lines
	e.fixed = ""
	if e.path.constant() && e.body.constant() && len(e.session) < 2 {
		wire, body := e.appendWire(nil, 0)
		e.fixed, e.fixedBody = string(wire), body
	}
}

func quoteAll(keys map[string]*draw.Keys) string {
	names := slices.Sorted(maps.Keys(keys))
	for i, name := range names {
		names[i] = "{" + name + "}"
	}
	return strings.Join(names, " ")
}
