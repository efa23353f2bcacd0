// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"headroom/scenarios"
)

// baselineText is a baseline's file on its way in.
type baselineText struct {
	file string
	data []byte
}

// fault is what is wrong at an offset, with its line and what to do.
func (t baselineText) fault(offset int64, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %s", t.file, t.line(offset), fmt.Sprintf(format, args...), t.renewHint())
}

func (t baselineText) line(offset int64) int {
	return 1 + bytes.Count(t.data[:min(max(offset, 0), int64(len(t.data)))], []byte("\n"))
}

var scenarioKey = regexp.MustCompile(`"scenario"\s*:\s*"([a-z0-9-]+)"`)

// update is the command that counts the file anew.
func (t baselineText) update() string {
	name := "SCENARIO"
	if found := scenarioKey.FindSubmatch(t.data); found != nil {
		name = string(found[1])
	}
	return fmt.Sprintf("headroom baseline --update %s --file %s", name, t.file)
}

// renewHint is what to do with a file that can't be read.
func (t baselineText) renewHint() string { return "remove the file, then run " + t.update() }

// ParseBaseline reads a baseline. What is no whole baseline of this format is
// refused with its line.
func ParseBaseline(file string, data []byte) (Baseline, error) {
	t := baselineText{file, data}
	if err := t.conflict(); err != nil {
		return Baseline{}, err
	}
	var version struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Baseline{}, t.jsonFault(0, err)
	}
	switch {
	case version.Format == nil:
		return Baseline{}, t.fault(0, "has no format, so it is no baseline")
	case *version.Format > BaselineFormat:
		return Baseline{}, fmt.Errorf("%s:1: has format %d, and this headroom reads %d: use the headroom that wrote it, or %s", file, *version.Format, BaselineFormat, t.renewHint())
	case *version.Format < BaselineFormat:
		return Baseline{}, t.fault(0, "has format %d, and this headroom reads %d", *version.Format, BaselineFormat)
	}
	if key, at := duplicateKey(data); key != "" {
		return Baseline{}, t.fault(at, "%q stands twice", key)
	}
	b, raw, err := t.head()
	if err == nil {
		err = t.metrics(&b, raw)
	}
	return b, err
}

// conflict refuses what a merge left undecided: somebody has to choose a side.
func (t baselineText) conflict() error {
	at := int64(0)
	for line := range bytes.Lines(t.data) {
		for _, mark := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
			if bytes.HasPrefix(line, []byte(mark)) {
				return fmt.Errorf("%s:%d: has an unresolved merge conflict: take either side (git checkout --theirs %s), then run %s", t.file, t.line(at), t.file, t.update())
			}
		}
		at += int64(len(line))
	}
	return nil
}

// jsonFault names the line of an error in JSON. offset is where it was noticed.
func (t baselineText) jsonFault(offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	what := err.Error()
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
		if offset >= int64(len(t.data)) {
			what = "is cut off"
		}
	case errors.As(err, &kind):
		offset += kind.Offset
	}
	return t.fault(offset, "%s: it is no baseline", what)
}

// duplicateKey is the first key that stands twice in one object, and where: JSON's
// readers take the last, and people the first that they see.
func duplicateKey(data []byte) (key string, at int64) {
	type level struct {
		keys  map[string]bool // nil: of a list
		value bool            // the key's value comes next
	}
	var open []level
	for decoder := json.NewDecoder(bytes.NewReader(data)); ; {
		token, err := decoder.Token()
		if err != nil { // the end, or a fault that another reader names
			return "", 0
		}
		if top := len(open) - 1; top >= 0 && open[top].keys != nil {
			name, isText := token.(string)
			if isText && !open[top].value {
				if open[top].keys[strings.ToLower(name)] {
					return name, decoder.InputOffset()
				}
				open[top].keys[strings.ToLower(name)] = true // as the decoder: the case does not count
			}
			open[top].value = isText && !open[top].value
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// rawMetric is a metric's text and where it begins.
type rawMetric struct {
	text json.RawMessage
	at   int64
}

// head reads everything but the metrics.
func (t baselineText) head() (b Baseline, raw []rawMetric, err error) {
	type fields Baseline
	var head struct {
		fields
		Seed    *uint64           `json:"seed"` // 0 can be meant
		FillRPS *float64          `json:"fill_rps"`
		Metrics []json.RawMessage `json:"metrics"`
	}
	if err := decodeStrict(t.data, &head); err != nil {
		return b, nil, t.jsonFault(t.unknown(err), err)
	}
	b = Baseline(head.fields)
	for key, missing := range map[string]bool{"seed": head.Seed == nil, "fill_rps": head.FillRPS == nil} {
		if missing {
			return b, nil, t.fault(0, "has no %s", key)
		}
	}
	b.Seed, b.FillRPS = *head.Seed, *head.FillRPS
	if err := b.checkHead(); err != nil {
		return b, nil, t.fault(0, "%v", err)
	}
	if len(head.Metrics) == 0 {
		return b, nil, t.fault(0, "holds no metric")
	}
	at := int64(0)
	for _, text := range head.Metrics {
		// Each is a piece of the file, behind the one before. A head's text can't be
		// taken for one: no value of the head is an object with a metric's fields.
		if i := bytes.Index(t.data[at:], text); i >= 0 {
			at += int64(i)
		}
		raw = append(raw, rawMetric{text, at})
		at += int64(len(text))
	}
	return b, raw, nil
}

// decodeStrict decodes JSON that has no unknown field.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// unknown is where the field stands that an error calls unknown; else 0.
func (t baselineText) unknown(err error) int64 {
	name, isUnknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !isUnknown {
		return 0
	}
	return int64(max(0, bytes.Index(t.data, []byte(name))))
}

func (b Baseline) checkHead() error {
	switch {
	case b.Scenario == "" || b.Hash == "":
		return errors.New("names no scenario")
	case b.Requests < 1:
		return fmt.Errorf("counts %d requests of each endpoint", b.Requests)
	case b.Runs < 2:
		return fmt.Errorf("rests on %d runs, and its tolerances need two", b.Runs)
	case b.FillRPS < 0 || math.IsInf(b.FillRPS, 0) || math.IsNaN(b.FillRPS):
		return fmt.Errorf("fill_rps is %v", b.FillRPS)
	}
	return nil
}

// metrics reads the metrics, each fault with its own line.
func (t baselineText) metrics(b *Baseline, raw []rawMetric) error {
	seen := map[Count]int{} // the line on which it stands
	for _, r := range raw {
		var line struct {
			Count
			Value *float64 `json:"value"`
		}
		if err := decodeStrict(r.text, &line); err != nil {
			return t.jsonFault(r.at, err)
		}
		m := line.Count
		if line.Value != nil {
			m.Value = *line.Value
		}
		switch _, known := sourceOf(m.Metric); {
		case !known:
			return t.fault(r.at, "holds a metric %q, which this headroom does not count", m.Metric)
		case line.Value == nil:
			return t.fault(r.at, "%s: has no value", m.name())
		case m.Value < 0 || m.Within < 0:
			return t.fault(r.at, "%s: is below 0", m.name())
		case m.Endpoint == "" || !slices.Contains(scenarios.Variants(), m.Variant):
			return t.fault(r.at, "%s: is of no endpoint, or of no variant", m.name())
		case seen[m.id()] > 0:
			return t.fault(r.at, "%s: stands twice, first on line %d", m.name(), seen[m.id()])
		}
		seen[m.id()] = t.line(r.at)
		b.Metrics = append(b.Metrics, m)
	}
	return nil
}
