package gate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

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
	Metrics  []Count `json:"metrics"`  // sorted
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

const renew = "write it anew with headroom baseline"

// ParseBaseline reads a baseline. What is no whole baseline of this format is
// refused with its line.
func ParseBaseline(file string, data []byte) (Baseline, error) {
	var b Baseline
	var version struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return b, faultAt(file, data, 0, err)
	}
	switch {
	case version.Format == nil:
		return b, fmt.Errorf("%s:1: has no format, so it is no baseline: %s", file, renew)
	case *version.Format > BaselineFormat:
		return b, fmt.Errorf("%s:1: has format %d, and this headroom reads %d: use the headroom that wrote it, or %s", file, *version.Format, BaselineFormat, renew)
	case *version.Format < BaselineFormat:
		return b, fmt.Errorf("%s:1: has format %d, and this headroom reads %d: %s", file, *version.Format, BaselineFormat, renew)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return b, faultAt(file, data, decoder.InputOffset(), err)
	}
	if err := b.check(); err != nil {
		return b, fmt.Errorf("%s:1: %w: %s", file, err, renew)
	}
	return b, nil
}

// faultAt names the line of an error in JSON.
func faultAt(file string, data []byte, offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	what := err.Error()
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
		if offset >= int64(len(data)) {
			what = "is cut off"
		}
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	line := 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
	return fmt.Errorf("%s:%d: %s: it is no baseline: %s", file, line, what, renew)
}

func (b Baseline) check() error {
	switch {
	case b.Scenario == "" || b.Hash == "":
		return errors.New("names no scenario")
	case b.Requests < 1:
		return fmt.Errorf("counts %d requests of each endpoint", b.Requests)
	case len(b.Metrics) == 0:
		return errors.New("holds no metric")
	case b.FillRPS < 0 || math.IsInf(b.FillRPS, 0) || math.IsNaN(b.FillRPS):
		return fmt.Errorf("fill_rps is %v", b.FillRPS)
	}
	seen := map[Count]bool{}
	for _, m := range b.Metrics {
		if _, known := sourceOf(m.Metric); !known {
			return fmt.Errorf("holds a metric %q, which this headroom does not count", m.Metric)
		}
		if m.Value < 0 || m.Within < 0 || m.Endpoint == "" {
			return fmt.Errorf("%s: is below 0, or of no endpoint", m.name())
		}
		id := m
		id.Value, id.Within = 0, 0
		if seen[id] {
			return fmt.Errorf("%s: stands twice", m.name())
		}
		seen[id] = true
	}
	return nil
}

// Fits says why the baseline can't be held against a scenario counted with a
// seed; nil when it can.
func (b Baseline) Fits(s *scenarios.Scenario, seed uint64) error {
	switch {
	case b.Scenario != s.Name:
		return fmt.Errorf("the baseline is of scenario %s, not of %s: name the right file", b.Scenario, s.Name)
	case b.Hash != Hash(s):
		return fmt.Errorf("the baseline is of another version of %s (%s, now %s): topology, mix, data or settings have changed; headroom baseline --update %s counts anew, and its diff is to be read", s.Name, b.Hash, Hash(s), s.Name)
	case b.Seed != seed:
		return fmt.Errorf("the baseline was counted with seed %d, not with %d: other keys make other counts", b.Seed, seed)
	}
	return nil
}
