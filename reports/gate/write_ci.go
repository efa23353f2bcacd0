// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// JUnit's elements, as far as CI systems read them.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Seconds  string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitOutcome `xml:"failure,omitempty"`
		Error   *junitOutcome `xml:"error,omitempty"`
		Skipped *junitOutcome `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitOutcome struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes a test case a metric. lenient says that CI lets pass what a
// noisy machine left undecided: that is then skipped, else an error. What gave no
// number is an error in any case.
func WriteJUnit(w io.Writer, r Result, lenient bool) error {
	suite := junitSuite{Name: "headroom gate " + r.Scenario, Seconds: strconv.FormatFloat(r.Seconds, 'f', 1, 64)}
	for _, c := range r.Counted {
		one := junitCase{Class: string(c.Variant) + " " + c.Endpoint, Name: strings.TrimSpace(c.Metric + " " + c.Of),
			Out: fmt.Sprintf("baseline %s, measured %s %s", baselineFigure(c), figure(c.Measured), c.Unit)}
		message := c.change()
		if c.Why != "" {
			message += ": " + c.Why
		}
		suite.add(one, c.Status, message, lenient)
	}
	for _, t := range r.Timed {
		message := t.verdict()
		if t.Status == StatusRegression {
			message = t.Label + ": " + t.Why
		}
		suite.add(junitCase{Class: "timed", Name: t.Label, Out: t.words()}, t.Status, message, lenient)
	}
	if r.Unfit != "" {
		suite.add(junitCase{Class: "timed", Name: "fitness of the machine"}, StatusUnmeasurable, r.Unfit, lenient)
	}
	if len(suite.Cases) == 0 {
		suite.add(junitCase{Class: "gate", Name: "verdict"}, StatusAbsent, r.Sentence, lenient)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase, status Status, message string, lenient bool) {
	s.Tests++
	switch status {
	case StatusSame, StatusBetter, StatusAccepted:
	case StatusRegression:
		s.Failures++
		c.Failure = &junitOutcome{message}
	default:
		if lenient && status.ofNoise() {
			s.Skipped++
			c.Skipped = &junitOutcome{message}
		} else {
			s.Errors++
			c.Error = &junitOutcome{message}
		}
	}
	s.Cases = append(s.Cases, c)
}

// WriteOpenMetrics writes what GitLab compares with its own base: counts, and
// ratios of what was timed.
func WriteOpenMetrics(w io.Writer, r Result) error {
	var out strings.Builder
	scenario := label("scenario", r.Scenario)
	out.WriteString("# HELP headroom_count What one request of an endpoint makes the system do.\n# TYPE headroom_count gauge\n")
	for _, c := range r.Counted {
		if c.Measured != nil {
			fmt.Fprintf(&out, "headroom_count{%s,%s,%s,%s,%s} %s\n", scenario, label("variant", string(c.Variant)),
				label("endpoint", c.Endpoint), label("metric", c.Metric), label("of", c.Of), number(*c.Measured))
		}
	}
	out.WriteString("# HELP headroom_ratio After divided by before, in the geometric mean of the blocks.\n# TYPE headroom_ratio gauge\n")
	for _, t := range r.Timed {
		if t.Ratio > 0 {
			fmt.Fprintf(&out, "headroom_ratio{%s,%s} %s\n", scenario, label("metric", t.Key), number(t.Ratio))
		}
	}
	fmt.Fprintf(&out, "# HELP headroom_gate_exit 0 pass, 1 regression, 3 no verdict.\n# TYPE headroom_gate_exit gauge\nheadroom_gate_exit{%s} %d\n# EOF\n", scenario, r.Verdict.Exit())
	_, err := io.WriteString(w, out.String())
	return err
}

func label(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}

func number(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', 9, 64)
}
