// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads a scenario file, strictly: unknown keys, missing units, numbers
// out of range and words that nobody knows are errors, each with
// its file and line. It reports everything that is wrong at once, joined. kinds are
// all that a process may be. Files that the scenario names are read from the file's
// folder.
func Parse(file string, data []byte, kinds []Kind) (*Scenario, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("the folder of %s is not known: %w", file, err)
	}
	return parse(file, dir, data, kinds)
}

// parse reads a scenario file of the folder dir; dir is "" for a file of the catalog,
// which has no other files beside it.
func parse(file, dir string, data []byte, kinds []Kind) (*Scenario, error) {
	doc, root, err := parseDocument(file, data)
	if err != nil {
		return nil, err
	}
	doc.kinds, doc.dir = kinds, dir
	s := readScenario(root)
	if len(doc.errs) > 0 {
		return nil, errors.Join(doc.errs...)
	}
	return s, nil
}

func readScenario(root node) *Scenario {
	m := root.mapping("name", "title", "question", "sources", "dataset", "slo", "load", "before", "after", "claims", "oracles", "gate")
	s := &Scenario{}
	if n, ok := root.need(m, "name"); ok {
		s.Name = n.text()
		if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(s.Name) {
			n.fail("%q is no name: use lower-case letters, digits and dashes, for example phase3", s.Name)
		}
	}
	if n, ok := root.need(m, "title"); ok {
		s.Title = n.text()
	}
	if n, ok := root.need(m, "question"); ok {
		s.Question = n.text()
	}
	if n, ok := m["sources"]; ok {
		for _, item := range n.items() {
			s.Sources = append(s.Sources, item.text())
		}
	}
	if n, ok := m["dataset"]; ok {
		n.fail("a seed command makes the data: write seed: in the process that keeps them, for example seed: \"headroom seed --users 1000\", and `of N` in load.keys")
	}
	if n, ok := root.need(m, "slo"); ok {
		slo, err := ParseSLO(n.text())
		if err != nil {
			n.fail("%v", err)
		}
		s.SLO = slo
	}
	if n, ok := root.need(m, "load"); ok {
		s.Load = readLoad(n)
	}
	if n, ok := root.need(m, "before"); ok {
		s.Before = readTopology(n)
	}
	if n, ok := root.need(m, "after"); ok {
		s.After = readTopology(n)
	}
	s.Kinds = root.doc.kindsOf(s.Before, s.After)
	if n, ok := m["claims"]; ok {
		s.Claims = readClaims(n, s.Load.Mix)
	}
	if n, ok := m["oracles"]; ok {
		s.Oracles = readOracles(n)
	}
	if n, ok := m["gate"]; ok {
		s.Gate = readGate(n, s)
	}
	if n, ok := m["load"]; ok {
		checkEntries(n, s)
	}
	if err := s.checkSLO(s.SLO); err != nil {
		m["slo"].fail("%v", err)
	}
	return s
}

// ParseSLO parses an SLO for this scenario: its conditions may name endpoints of
// the mix.
func (s *Scenario) ParseSLO(text string) (SLO, error) {
	slo, err := ParseSLO(text)
	if err != nil {
		return SLO{}, err
	}
	return slo, s.checkSLO(slo)
}

func (s *Scenario) checkSLO(slo SLO) error {
	for _, c := range slo.Conditions {
		if c.Endpoint != "" && !knownEndpoint(s.Load.Mix, c.Endpoint) {
			return fmt.Errorf("the mix has no endpoint %q%s", c.Endpoint, nearest(c.Endpoint, endpointNames(s.Load.Mix)))
		}
	}
	return nil
}

func endpointNames(mix []Endpoint) []string {
	var names []string
	for _, e := range mix {
		names = append(names, e.Name)
	}
	return names
}

func knownEndpoint(mix []Endpoint, name string) bool {
	for _, e := range mix {
		if e.Name == name {
			return true
		}
	}
	return false
}

func readLoad(n node) Load {
	m := n.mapping("arrivals", "timeout", "warmup", "requests_per_user", "connections", "max_in_flight", "keys", "mix")
	load := Load{Arrivals: "poisson", Timeout: 10 * time.Second, RequestsPerUserPerS: 0.01, MaxInFlight: 512, WarmupSeconds: 2}
	if v, ok := m["arrivals"]; ok {
		load.Arrivals = v.oneOf("poisson", "constant")
	}
	if v, ok := m["timeout"]; ok {
		load.Timeout = v.duration(time.Millisecond, time.Minute)
	}
	if v, ok := m["warmup"]; ok {
		load.WarmupSeconds = v.duration(0, 10*time.Minute).Seconds()
	}
	if v, ok := m["requests_per_user"]; ok {
		load.RequestsPerUserPerS = v.perSecond()
	}
	if v, ok := m["connections"]; ok {
		load.Connections = v.integer(1, 100_000)
	}
	if v, ok := m["max_in_flight"]; ok {
		load.MaxInFlight = v.integer(1, 1_000_000)
	}
	load.Keys = map[string]Keys{}
	if v, ok := m["keys"]; ok {
		for _, f := range v.fields() {
			load.Keys[f.key] = readKeys(f.key, f.value)
		}
	}
	if v, ok := n.need(m, "mix"); ok {
		load.Mix = readMix(v, load.Keys)
	}
	return load
}

var keysText = regexp.MustCompile(`^(zipf\(([^)]*)\)|uniform)(?: of (\d+))?$`)

// readKeys reads `zipf(0.99) of 1000`, `uniform of 1000`.
func readKeys(name string, n node) Keys {
	match := keysText.FindStringSubmatch(n.text())
	if match == nil {
		n.fail("%q is no key distribution: write zipf(0.99) of 1000 or uniform of 1000", n.text())
		return Keys{}
	}
	keys := Keys{Distribution: "uniform"}
	if strings.HasPrefix(match[1], "zipf") {
		exponent, err := strconv.ParseFloat(match[2], 64)
		if err != nil || !(exponent > 0 && exponent <= 5) {
			n.fail("zipf's exponent %q must be a number above 0 and at most 5, for example zipf(0.99)", match[2])
		}
		keys.Distribution, keys.Exponent = "zipf", exponent
	}
	if match[3] != "" {
		count, err := strconv.Atoi(match[3])
		if err != nil || count < 1 {
			n.fail("%q keys: there must be at least one", match[3])
		}
		keys.Count = count
	}
	if keys.Count == 0 {
		n.fail("how many %q keys there are is not known: write `%s of 1000`", name, n.text())
	}
	return keys
}

var (
	requestText = regexp.MustCompile(`^(GET|POST|PUT|DELETE|PATCH|HEAD) (/\S*)$`)
	placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)
)

func readMix(n node, keys map[string]Keys) []Endpoint {
	items := n.items()
	if len(items) == 0 {
		n.fail("the mix is empty: name at least one request with its weight")
		return nil
	}
	var mix []Endpoint
	sum := 0.0
	for _, item := range items {
		m := item.mapping("request", "weight", "body", "expect", "from", "session", "object", "version", "creates", "id")
		e := Endpoint{}
		if v, ok := item.need(m, "request"); ok {
			match := requestText.FindStringSubmatch(v.text())
			if match == nil {
				v.fail("%q is no request: write a method and a path, for example GET /api/users/{user}", v.text())
				continue
			}
			e.Name, e.Method, e.Path = v.text(), match[1], match[2]
		}
		if v, ok := item.need(m, "weight"); ok {
			e.Weight = v.percent()
			sum += e.Weight
		}
		if v, ok := m["body"]; ok {
			e.Body = v.text()
		}
		for key, field := range map[string]*string{"expect": &e.Expect, "from": &e.From, "session": &e.Session, "object": &e.Object} {
			if v, ok := m[key]; ok {
				*field = v.text()
			}
		}
		readExtractors(m, &e)
		for _, match := range placeholder.FindAllStringSubmatch(e.Path+e.Body+e.Expect+e.Session+e.Object, -1) {
			if _, ok := keys[match[1]]; !ok && match[1] != "seq" {
				item.fail("{%s} is not under load.keys", match[1])
			}
		}
		if e.From != "" {
			e.Name += " from " + e.From
		}
		if knownEndpoint(mix, e.Name) {
			item.fail("%q stands twice in the mix: add up the weights", e.Name)
		}
		mix = append(mix, e)
	}
	if math.Abs(sum-1) > 1e-9 {
		n.fail("the weights sum to %.4g%%, not 100%%", sum*100)
	}
	return mix
}

// integer reads a whole number between low and high.
func (n node) integer(low, high int) int {
	v, err := parseInt(n.text())
	return checked(n, v, err, low, high)
}

// duration reads a time with its unit.
func (n node) duration(low, high time.Duration) time.Duration {
	v, err := parseDuration(n.text())
	return checked(n, v, err, low, high)
}

// checked complains about a value that could not be read, or lies out of bounds.
func checked[T cmp.Ordered](n node, v T, err error, low, high T) T {
	if err == nil {
		err = within(v, low, high)
	}
	if err != nil {
		n.fail("%v", err)
		return low // the parser goes on, with a value that breaks no rule
	}
	return v
}

// percent reads "30%" as 0.3.
func (n node) percent() float64 {
	v, err := parsePercent(n.text())
	if err != nil {
		n.fail("%v", err)
	}
	return v
}

// perSecond reads "0.01/s".
func (n node) perSecond() float64 {
	text := n.text()
	v, err := ParseRate(text)
	if err != nil {
		n.fail("%v", err)
	}
	return v
}

// ParseRate parses a rate with its unit, such as 1000/s, 50/m, 0.01/s, 100/1s or
// 5000/1m30s. The divisor is a duration as Go writes it, or a unit alone.
func ParseRate(text string) (float64, error) {
	number, per, found := strings.Cut(strings.TrimSpace(text), "/")
	v, err := strconv.ParseFloat(number, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("%q is not a rate with its unit: write for example 1000/s", text)
	}
	if per != "" && strings.IndexByte("0123456789.", per[0]) < 0 {
		per = "1" + per
	}
	span, err := time.ParseDuration(per)
	if err != nil || span <= 0 {
		return 0, fmt.Errorf("%q: the unit of a rate is /s, /m, /h or a duration above 0 such as /500ms, for example 1000/s; a day is /24h", text)
	}
	v /= span.Seconds()
	if !(v > 0) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q: a rate must be a number above 0, for example 1000/s", text)
	}
	return v, nil
}

// oneOf reads one of the known words.
func (n node) oneOf(known ...string) string {
	return n.word(n.text(), known...)
}

// yes reads yes or no, or as YAML has them, true or false.
func (n node) yes() bool {
	said := n.oneOf("yes", "no", "true", "false")
	return said == "yes" || said == "true"
}

// readGate reads the groups of machines that a gate holds against each other.
// Each stands in both variants: there is nothing to compare otherwise.
func readGate(n node, s *Scenario) []string {
	var groups []string
	for _, item := range n.items() {
		group := item.text()
		if slices.Contains(groups, group) {
			item.fail("%q stands twice", group)
		}
		for _, v := range Variants() {
			var known []string
			for _, g := range s.Topology(v).PricedGroups() {
				known = append(known, g.GroupName())
			}
			if !slices.Contains(known, group) {
				item.fail("%s has no machines %q%s", v, group, nearest(group, known))
			}
		}
		groups = append(groups, group)
	}
	if len(groups) == 0 {
		n.fail("names no machines: leave gate out to hold all of them against each other")
	}
	return groups
}
