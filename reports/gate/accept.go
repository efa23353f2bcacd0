// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"headroom/scenarios"
)

// Acceptance lets a known timed regression pass, with somebody's reason.
//
// One file serves all scenarios of a project. An entry with a scenario's name holds for
// that scenario alone, whose gate refuses an entry without such a metric. An entry
// without a name holds wherever there is such a metric. It is refused only when it
// lacks a metric's form, cpu GROUP or p50; a scenario that lacks the metric says so in
// a note.
type Acceptance struct {
	Scenario string // "" every one that has the metric
	Metric   string // a timed metric's key, "cpu app"
	UpTo     float64
	Reason   string
	Until    time.Time // the day after the last on which it holds
	Place    string    // "headroom.accept.yaml:2"
}

// acceptLine is one entry of headroom.accept.yaml.
type acceptLine struct {
	Scenario string `yaml:"scenario"`
	Metric   string `yaml:"metric"`
	UpTo     string `yaml:"up_to"`
	Reason   string `yaml:"reason"`
	Until    string `yaml:"until"`
}

const dayFormat = "2006-01-02"

// ParseAccept reads headroom.accept.yaml, a list of metric, up_to, reason, until
// and, if need be, scenario, strictly. A metric is named by its key or its label.
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
	type of struct{ scenario, metric string }
	first := map[of]string{}
	for i, l := range lines {
		a, err := l.read()
		a.Place = fmt.Sprintf("%s:%d", file, lineOf(data, i))
		if earlier := first[of{a.Scenario, a.Metric}]; err == nil && earlier != "" {
			err = fmt.Errorf("%s stands twice, first at %s: keep one of them", a.Metric, earlier)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Place, err))
		}
		first[of{a.Scenario, a.Metric}] = a.Place
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

func (l acceptLine) read() (Acceptance, error) {
	a := Acceptance{Scenario: l.Scenario, Metric: keyOf(l.Metric), Reason: strings.TrimSpace(l.Reason)}
	if a.Metric == "" {
		return a, errors.New("metric is missing: name it as the gate's table does, for example cpu app")
	}
	if a.Metric != keyP50 && !strings.HasPrefix(a.Metric, keyCPU) {
		return a, fmt.Errorf("%q is no timed metric: name cpu and a machine group, for example cpu app, or p50. %s", l.Metric, acceptCounts)
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

// acceptCounts says how what is counted is accepted.
const acceptCounts = "Counts are accepted with headroom baseline --update"

// keyOf is the key of a timed metric that is named by its key or its label.
func keyOf(metric string) string {
	metric = strings.TrimSpace(metric)
	if group, isLabel := strings.CutPrefix(metric, labelCPU); isLabel {
		return keyCPU + group
	}
	return metric
}

// CheckAccepted says which acceptances name the scenario and none of its timed
// metrics: a mistake that would leave a regression unaccepted.
func CheckAccepted(accepted []Acceptance, s *scenarios.Scenario) error {
	keys := timedKeys(s)
	var errs []error
	for _, a := range accepted {
		if a.Scenario == s.Name && !slices.Contains(keys, a.Metric) {
			errs = append(errs, fmt.Errorf("%s: %s", a.Place, noMetric(a, s, keys)))
		}
	}
	return errors.Join(errs...)
}

func noMetric(a Acceptance, s *scenarios.Scenario, keys []string) string {
	return fmt.Sprintf("%q is no timed metric of %s: %s. %s", a.Metric, s.Name, strings.Join(keys, ", "), acceptCounts)
}

// InForce are the acceptances that hold for a scenario on a day, its own before
// those of all scenarios. What has expired, or has nothing to hold for, is said in
// notes.
func InForce(accepted []Acceptance, s *scenarios.Scenario, now time.Time) (holding []Acceptance, notes []string) {
	keys := timedKeys(s)
	var general []Acceptance
	for _, a := range accepted {
		switch {
		case a.Scenario != "" && a.Scenario != s.Name:
		case !slices.Contains(keys, a.Metric):
			notes = append(notes, fmt.Sprintf("%s accepts nothing here: %s", a.Place, noMetric(a, s, keys)))
		case !now.Before(a.Until):
			notes = append(notes, fmt.Sprintf("%s: %s was accepted until %s: that has expired", a.Place, a.Metric, a.lastDay()))
		case a.Scenario == "":
			general = append(general, a)
		default:
			holding = append(holding, a)
		}
	}
	return append(holding, general...), notes
}

// acceptanceOf is the first that is of a metric; nil: none is.
func acceptanceOf(accepted []Acceptance, key string) *Acceptance {
	for i := range accepted {
		if accepted[i].Metric == key {
			return &accepted[i]
		}
	}
	return nil
}

func (a Acceptance) lastDay() string { return a.Until.AddDate(0, 0, -1).Format(dayFormat) }

func (a Acceptance) words() string {
	return fmt.Sprintf("%s (up to %+.3g%%, until %s)", a.Reason, percent(a.UpTo), a.lastDay())
}
