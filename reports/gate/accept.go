package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Acceptance lets a timed regression pass: it is known, and somebody says why.
type Acceptance struct {
	Metric string // a timed metric's key, "cpu app"
	UpTo   float64
	Reason string
	Until  time.Time // the day after the last on which it holds
}

// acceptLine is one entry of headroom.accept.yaml.
type acceptLine struct {
	Metric string `yaml:"metric"`
	UpTo   string `yaml:"up_to"`
	Reason string `yaml:"reason"`
	Until  string `yaml:"until"`
}

const dayFormat = "2006-01-02"

// ParseAccept reads headroom.accept.yaml, a list of metric, up_to, reason and
// until, strictly.
func ParseAccept(file string, data []byte) ([]Acceptance, error) {
	var lines []acceptLine
	err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&lines)
	if errors.Is(err, io.EOF) {
		return nil, nil // nothing is accepted
	}
	if err != nil {
		return nil, yamlFault(file, err)
	}
	var out []Acceptance
	var errs []error
	for i, l := range lines {
		a, err := l.read()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, lineOf(data, i), err))
		}
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

func (l acceptLine) read() (Acceptance, error) {
	a := Acceptance{Metric: l.Metric, Reason: strings.TrimSpace(l.Reason)}
	if a.Metric == "" {
		return a, errors.New("metric is missing: name it as the gate's table does, for example cpu app")
	}
	if a.Reason == "" {
		return a, fmt.Errorf("%s: reason is missing: say why the regression is accepted", a.Metric)
	}
	number, isPercent := strings.CutSuffix(l.UpTo, "%")
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !isPercent || !(percent > 0 && percent <= 1000) {
		return a, fmt.Errorf("%s: up_to is %q: write for example 8%%", a.Metric, l.UpTo)
	}
	a.UpTo = 1 + percent/100
	last, err := time.Parse(dayFormat, l.Until)
	if err != nil {
		return a, fmt.Errorf("%s: until is %q: write the last day on which it holds, for example 2027-03-31", a.Metric, l.Until)
	}
	a.Until = last.AddDate(0, 0, 1)
	return a, nil
}

// lineOf is the line on which the i-th entry of the list begins.
func lineOf(data []byte, i int) int {
	for n, line := range bytes.Split(data, []byte("\n")) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("- ")) {
			if i == 0 {
				return n + 1
			}
			i--
		}
	}
	return 1
}

// yamlFault turns the library's "[line:column] what" into file:line.
func yamlFault(file string, err error) error {
	line, text := 1, err.Error()
	if _, scanErr := fmt.Sscanf(text, "[%d:", &line); scanErr == nil {
		if _, rest, found := strings.Cut(text, "] "); found {
			text = rest
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	return fmt.Errorf("%s:%d: %s", file, line, first)
}

// Accept lets timed regressions pass that are accepted: by the point estimate
// not beyond what was said, on a day when it still holds. What has expired is
// said in notes.
func Accept(timed []Timed, accepted []Acceptance, now time.Time) (out []Timed, notes []string) {
	for _, t := range timed {
		for _, a := range accepted {
			if a.Metric != t.Key || t.Status != StatusRegression {
				continue
			}
			switch {
			case !now.Before(a.Until):
				notes = append(notes, fmt.Sprintf("%s was accepted until %s: that has expired", t.Label, a.Until.AddDate(0, 0, -1).Format(dayFormat)))
			case t.Ratio > a.UpTo:
				notes = append(notes, fmt.Sprintf("%s is accepted up to %+.3g%%, and this is %+.1f%%", t.Label, percent(a.UpTo), percent(t.Ratio)))
			default:
				t.Status = StatusAccepted
				t.Accepted = fmt.Sprintf("%s (up to %+.3g%%, until %s)", a.Reason, percent(a.UpTo), a.Until.AddDate(0, 0, -1).Format(dayFormat))
			}
		}
		out = append(out, t)
	}
	return out, notes
}
