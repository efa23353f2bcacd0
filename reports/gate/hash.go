// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"headroom/scenarios"
)

// Hash says by what a scenario's counts are made: topologies, mix, data and settings.
// What alters no count may change: labels, texts, claims and facts; what oracles read
// of answers; rates, arrivals and timeouts, as a count has no clock; sizes of machines,
// as a count limits none.
//
// A setting at its kind's default is left out, so a new setting leaves every hash as it
// is. So does a default that changes: the counts themselves show its effect.
//
// A secret of a service or a seed has no part in the hash: the trials file does not
// tell the secret, and the hash of what the file tells is to be the same. What an image
// holds has no part either; its name has.
func Hash(s *scenarios.Scenario) string {
	s = s.Masked()
	sum := sha256.Sum256([]byte(strings.Join(hashed(s), "\n")))
	return hex.EncodeToString(sum[:8])
}

// hashed are the lines that Hash is made of. Each field is named here: one that a
// scenario gets is in no hash until somebody has thought about it.
func hashed(s *scenarios.Scenario) []string {
	lines := []string{fmt.Sprintf("scenario %q", s.Name)}
	for _, name := range slices.Sorted(maps.Keys(s.Load.Keys)) {
		k := s.Load.Keys[name]
		lines = append(lines, fmt.Sprintf("keys %q %s %v of %d", name, k.Distribution, k.Exponent, k.Count))
	}
	for _, e := range s.Load.Mix { // the weights say what caches are filled with
		lines = append(lines, fmt.Sprintf("request %q %s %q body %q expect %q from %q session %q weight %v",
			e.Name, e.Method, e.Path, e.Body, e.Expect, e.From, e.Session, e.Weight))
	}
	for _, v := range scenarios.Variants() {
		lines = append(lines, hashedTopology(v, s.Topology(v), s.Kinds)...)
	}
	return lines
}

func hashedTopology(v scenarios.Variant, t scenarios.Topology, kinds []scenarios.Kind) []string {
	lines := []string{fmt.Sprintf("%s entry %q", v, t.Entry)}
	for _, from := range slices.Sorted(maps.Keys(t.Entries)) {
		lines = append(lines, fmt.Sprintf("%s entry from %q %q", v, from, t.Entries[from]))
	}
	for _, m := range t.Machines {
		lines = append(lines, fmt.Sprintf("%s machine %q of %q", v, m.Name, m.Group))
		for _, p := range m.Processes {
			lines = append(lines, fmt.Sprintf("process %q %s", p.Name, p.Kind))
			if len(p.Seed) > 0 {
				lines = append(lines, fmt.Sprintf("seed %q", p.Seed))
			}
			lines = append(lines, hashedFiles("seed file", p.SeedFiles)...)
			if p.Service != nil {
				lines = append(lines, hashedService(*p.Service)...)
			}
			kind, _ := scenarios.KindOf(kinds, p.Kind)
			for _, key := range slices.Sorted(maps.Keys(p.Settings)) {
				if setting, known := kind.Setting(key); !known || p.Settings[key] != setting.Default {
					lines = append(lines, fmt.Sprintf("setting %q %q", key, p.Settings[key]))
				}
			}
			links := make([]string, 0, len(p.Links))
			for _, l := range p.Links {
				links = append(links, fmt.Sprintf("link %q %q", l.Role, l.To))
			}
			slices.Sort(links) // their roles have no order
			lines = append(lines, links...)
		}
	}
	return lines
}

func hashedFiles(what string, files []scenarios.File) []string {
	var lines []string
	for _, f := range files {
		lines = append(lines, fmt.Sprintf("%s %q %s", what, f.Path, f.SHA256))
	}
	return lines
}

// hashedService are how a service runs and what of it is counted. The moment from which
// it has its quota alters counts: a program that sees more CPUs at its start makes a
// larger pool. The moment at which it is ready alters none.
func hashedService(s scenarios.Service) []string {
	lines := []string{fmt.Sprintf("service image %q command %q data %q limits %q attach %q", s.Image, s.Command, s.Data, s.Limits, s.Attach)}
	if b := s.Build; b != nil {
		lines = append(lines, fmt.Sprintf("build %q %q to %q", b.Context, b.Dockerfile, b.Target))
		lines = append(lines, hashedValues("build argument", b.Args)...)
	}
	lines = append(lines, hashedValues("variable", s.Env)...)
	lines = append(lines, hashedFiles("file", s.Files)...)
	if c := s.Counters; c != nil {
		lines = append(lines, fmt.Sprintf("counters %q", c.Path))
		lines = append(lines, hashedValues("counter", c.Names)...)
	}
	return lines
}

func hashedValues[K ~string](what string, values map[K]string) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, fmt.Sprintf("%s %q %q", what, name, values[name]))
	}
	return lines
}
