// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// BaselineFormat is the format that this headroom writes and reads.
const BaselineFormat = 1

// Baseline is what one request of each endpoint made a scenario's variants do,
// and under which conditions that was counted. It is kept beside the code: its
// diff is how a change of counts is accepted.
type Baseline struct {
	Format   int     `json:"format"`
	Scenario string  `json:"scenario"`
	Hash     string  `json:"scenario_hash"`
	Seed     uint64  `json:"seed"`
	FillRPS  float64 `json:"fill_rps"` // the traffic that caches were filled as by
	Requests int     `json:"requests"` // of each endpoint
	Runs     int     `json:"runs"`     // that the tolerances come from
	// MadeWith are the versions that the baseline was counted with, by the names of the
	// function MadeWith; none in older files.
	MadeWith map[string]string `json:"made_with,omitempty"`
	Metrics  []Count           `json:"metrics"` // sorted
}

// Count is one counted metric.
type Count struct {
	Variant  scenarios.Variant `json:"variant"`
	Endpoint string            `json:"endpoint"`
	Metric   string            `json:"metric"`       // a key of the sources
	Of       string            `json:"of,omitempty"` // a statement's text, a table, a command
	Value    float64           `json:"value"`        // by request
	// Within is how far a measured value may lie from Value; 0: not at all. It is
	// what equal runs differed by.
	Within float64 `json:"within,omitempty"`
}

// sameMetric orders counts, and is 0 for two values of one metric. An endpoint's
// sums stand before their parts.
func sameMetric(a, b Count) int {
	return cmp.Or(cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.Endpoint, b.Endpoint),
		cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Of, b.Of))
}

// Write writes the baseline, a line a metric.
func (b Baseline) Write(w io.Writer) error {
	metrics := slices.Clone(b.Metrics)
	slices.SortFunc(metrics, sameMetric)
	head := b
	head.Metrics = nil
	text, err := encode(head, "  ")
	if err != nil {
		return err
	}
	out := bytes.TrimSuffix(text, []byte("\"metrics\": null\n}"))
	out = append(out, "\"metrics\": [\n"...)
	for i, m := range metrics {
		line, err := encode(m, "")
		if err != nil {
			return err
		}
		out = append(append(out, "    "...), line...)
		if i < len(metrics)-1 {
			out = append(out, ',')
		}
		out = append(out, '\n')
	}
	_, err = w.Write(append(out, "  ]\n}\n"...))
	return err
}

// encode is JSON without escapes for HTML: statements hold < and >.
func encode(value any, indent string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(value)
	return bytes.TrimSpace(out.Bytes()), err
}

// Fits says why the baseline can't be held against a scenario counted with a
// seed; nil when it can.
func (b Baseline) Fits(s *scenarios.Scenario, seed uint64) error {
	switch {
	case b.Scenario != s.Name:
		return fmt.Errorf("the baseline is of scenario %s, not of %s: name the right file", b.Scenario, s.Name)
	case b.Hash != Hash(s):
		return fmt.Errorf("the baseline is of another version of %s (%s, now %s): topology, mix, data or settings have changed. "+
			"If the scenario was meant to change, run headroom baseline --update %s (with --file where the file is not baselines/%s.json), then read git diff. "+
			"A new version of headroom may also change it", s.Name, b.Hash, Hash(s), s.Name, s.Name)
	case b.Seed != seed:
		return fmt.Errorf("the baseline was counted with seed %d, not with %d, and other keys make other counts: leave --seed out, or count again with it", b.Seed, seed)
	}
	return nil
}

// ingredient is what counts depend on besides the code under test.
type ingredient struct {
	key      string
	name     string
	packages []string // that tell its version, by their beginnings
	what     string   // may differ with it
}

const stageKey = "stage"

// ingredients are those of a scenario with such kinds: each server is one.
func ingredients(kinds []scenarios.Kind) []ingredient {
	all := []ingredient{{"go", "Go", nil, "allocations"}}
	for _, k := range kinds {
		if server := k.Facts.Server; server != nil {
			all = append(all, ingredient{string(k.Name), k.Facts.Label, server.Versions, server.Alters})
		}
	}
	return append(all, ingredient{stageKey, "stage", nil, "blocks and allocations"})
}

// MadeWith are the versions of an environment that the counts of a scenario with
// such kinds depend on.
func MadeWith(e record.Environment, kinds []scenarios.Kind) map[string]string {
	made := map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")}
	if e.Stage != "" {
		made[stageKey] = e.Stage
	}
	for _, i := range ingredients(kinds) {
		for name, version := range e.Packages {
			if slices.ContainsFunc(i.packages, func(begin string) bool { return strings.HasPrefix(name, begin) }) {
				made[i.key] = plainVersion(version)
			}
		}
	}
	return made
}

var dotted = regexp.MustCompile(`\d+(\.\d+)+`)

// plainVersion is the upstream version in what a package manager or a program
// says: 17.6 of "17.6-0+deb13u1" and of "postgres (PostgreSQL) 17.6 (Debian ...)".
func plainVersion(text string) string { return cmp.Or(dotted.FindString(text), text) }

// Differences says which versions now differ from the baseline's, and what may come of
// that. A version that either side does not tell is no difference, nor is that of a
// server that a scenario with such kinds does not run.
func (b Baseline) Differences(now map[string]string, kinds []scenarios.Kind) []string {
	var out []string
	for _, i := range ingredients(kinds) {
		was, is := b.MadeWith[i.key], now[i.key]
		if was == "" || is == "" || was == is {
			continue
		}
		if i.key == stageKey {
			out = append(out, fmt.Sprintf("the baseline was counted on the stage %s, this is %s: %s may differ for that alone", was, is, i.what))
			continue
		}
		out = append(out, fmt.Sprintf("the baseline was counted with %s %s, this is %s: %s may differ for that alone", i.name, was, is, i.what))
	}
	return out
}
