// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

const acceptText = `# known
- metric: cpu app
  up_to: 8%
  reason: the new serializer, see issue 12
  until: 2027-03-31
`

var lastDay = time.Date(2027, 3, 31, 23, 0, 0, 0, time.UTC)

func parsed(t *testing.T, text string) []Acceptance {
	t.Helper()
	accepted, err := ParseAccept("a.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

// about are blocks that scatter by a percent about a ratio.
func about(ratio float64) Series {
	s := of(0.01, -0.01, 0.008, -0.008, 0.002, -0.002)
	for i := range s.D {
		s.D[i] += math.Log(ratio)
	}
	return s
}

// An acceptance moves the rule: what it lets pass is no regression, what is worse
// is one, and where nothing has changed 10% are excluded as ever.
func TestDecideWhatIsAccepted(t *testing.T) {
	accepted := parsed(t, acceptText)
	const reason = "the new serializer, see issue 12 (up to +8%, until 2027-03-31)"
	for _, test := range []struct {
		ratio    float64
		accepted []Acceptance
		want     Status
		says     string
	}{
		{1.07, accepted, StatusAccepted, reason},
		{1.07, nil, StatusRegression, "+7.0%"},
		{1.16, accepted, StatusRegression, " blocks: more than the accepted +8%"},
		{1.00, accepted, StatusSame, ""},
		{0.90, accepted, StatusSame, ""},
	} {
		got := Decide([]Series{about(test.ratio)}, test.accepted)[0]
		if got.Status != test.want || !strings.Contains(got.Why+got.Accepted, test.says) || (got.Accepted != "") != (test.want == StatusAccepted) {
			t.Errorf("%v, %d accepted: %s, %q, %q; want %s, %q", test.ratio, len(test.accepted), got.Status, got.Why, got.Accepted, test.want, test.says)
		}
		if math.Abs(got.Ratio-test.ratio) > 1e-9 || got.Low >= test.ratio || got.High <= test.ratio {
			t.Errorf("%v is shown as %v (%v to %v)", test.ratio, got.Ratio, got.Low, got.High)
		}
	}
	other := about(1.07)
	other.Key = "cpu database"
	if got := Decide([]Series{other}, accepted)[0]; got.Status != StatusRegression {
		t.Errorf("what is not accepted: %s", got.Status)
	}
}

// A regression that is accepted does not end a gate whose other metrics are open.
func TestAcceptedDoesNotEndTheGate(t *testing.T) {
	open := of(0.3, -0.3, 0.2, -0.25, 0.1, 0)
	open.Key = "p50"
	timed := Decide([]Series{about(1.07), open}, parsed(t, acceptText))
	if Finished(timed, 6) || timed[0].Status != StatusAccepted {
		t.Errorf("%+v", timed)
	}
	open.Key = "cpu app"
	if got, want := Decide([]Series{open}, parsed(t, acceptText))[0].Why, "neither more than the accepted +8% is shown nor +18.8% excluded after 6 blocks"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestInForce(t *testing.T) {
	s := gateScenario(t)
	text := acceptText + `- metric: cpu database
  scenario: ` + s.Name + `
  up_to: 5%
  reason: more indexes
  until: 2027-03-31
- metric: CPU per request of app
  scenario: ` + s.Name + `
  up_to: 3%
  reason: its own
  until: 2028-03-31
- metric: cpu edge
  scenario: another
  up_to: 3%
  reason: not here
  until: 2020-01-01
- metric: cpu ap
  up_to: 3%
  reason: a typo
  until: 2028-03-31
`
	typo := `a.yaml:21 accepts nothing here: "cpu ap" is no timed metric of ` + s.Name + `: cpu app, cpu database, p50. Counts are accepted with headroom baseline --update`
	for _, test := range []struct {
		now     time.Time
		holding []string
		notes   []string
	}{
		{lastDay, []string{"more indexes", "its own", "the new serializer, see issue 12"}, []string{typo}},
		{lastDay.Add(time.Hour), []string{"its own"}, []string{
			"a.yaml:2: cpu app was accepted until 2027-03-31: that has expired",
			"a.yaml:6: cpu database was accepted until 2027-03-31: that has expired", typo}},
	} {
		holding, notes := InForce(parsed(t, text), s, test.now)
		var reasons []string
		for _, a := range holding {
			reasons = append(reasons, a.Reason)
		}
		if !slices.Equal(reasons, test.holding) || !slices.Equal(notes, test.notes) {
			t.Errorf("%v: %q hold, notes %q", test.now, reasons, notes)
		}
	}
	holding, _ := InForce(parsed(t, text), s, lastDay)
	if got := acceptanceOf(holding, "cpu app"); got == nil || got.Reason != "its own" {
		t.Errorf("of cpu app: %+v", got)
	}
}

func TestCheckAccepted(t *testing.T) {
	s := gateScenario(t)
	with := func(line string) string { return strings.Replace(acceptText, "metric: cpu app", line, 1) }
	for _, test := range []struct{ line, want string }{
		{"metric: cpu app", ""},
		{"metric: cpu ap", ""}, // it may be another scenario's; InForce notes it
		{"metric: cpu app\n  scenario: " + s.Name, ""},
		{"metric: p50\n  scenario: " + s.Name, ""},
		{"metric: cpu ap\n  scenario: another", ""},
		{"metric: cpu ap\n  scenario: " + s.Name, `a.yaml:2: "cpu ap" is no timed metric of ` + s.Name + `: cpu app, cpu database, p50. Counts are accepted with headroom baseline --update`},
	} {
		err := CheckAccepted(parsed(t, with(test.line)), s)
		if (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%q: %v, want %q", test.line, err, test.want)
		}
	}
}

func TestAcceptRefuses(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"no metric":    {"metric: cpu app", "metric: ''", "a.yaml:2: metric is missing"},
		"a count":      {"metric: cpu app", "metric: statements", `a.yaml:2: "statements" is no timed metric: name cpu and a machine group, for example cpu app, or p50. Counts are accepted with headroom baseline --update`},
		"not gated":    {"metric: cpu app", "metric: p95", `a.yaml:2: "p95" is no timed metric`},
		"no reason":    {"reason: the new serializer, see issue 12", "reason: ''", "a.yaml:2: cpu app: reason is missing"},
		"no percent":   {"8%", "'8'", `up_to is "8"`},
		"no day":       {"2027-03-31", "soon", `until is "soon"`},
		"unknown key":  {"reason:", "because:", "a.yaml:4:"},
		"not YAML":     {"- metric", "metric: [", "a.yaml:"},
		"below 0":      {"8%", "-8%", "up_to"},
		"not a number": {"8%", "NaN%", "up_to"},
		"twice":        {"# known\n", strings.Replace(acceptText, "cpu app", "CPU per request of app", 1), "a.yaml:6: cpu app stands twice, first at a.yaml:2: keep one of them"},
	} {
		_, err := ParseAccept("a.yaml", []byte(strings.Replace(acceptText, test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if a, err := ParseAccept("a.yaml", []byte("# nothing\n")); err != nil || len(a) != 0 {
		t.Errorf("an empty file: %v, %v", a, err)
	}
}

// What is accepted is more than nothing and at most ten times as much again.
func TestAcceptedShare(t *testing.T) {
	for share, want := range map[string]float64{"0%": 0, "0.5%": 1.005, "8%": 1.08, " 8 %": 1.08, "1000%": 11, "1000.1%": 0} {
		accepted, err := ParseAccept("a.yaml", []byte(strings.Replace(acceptText, "8%", "'"+share+"'", 1)))
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "up_to is") {
				t.Errorf("%q: %v", share, err)
			}
			continue
		}
		if err != nil || len(accepted) != 1 || math.Abs(accepted[0].UpTo-want) > 1e-12 {
			t.Errorf("%q: %+v, %v; want %v", share, accepted, err, want)
		}
	}
	accepted := parsed(t, acceptText)[0]
	if got := accepted.words(); got != "the new serializer, see issue 12 (up to +8%, until 2027-03-31)" {
		t.Errorf("in words: %q", got)
	}
	if got := acceptanceOf(parsed(t, acceptText), "p50"); got != nil {
		t.Errorf("of another metric: %+v", got)
	}
}

// The estimate of 1% is the same, and 3% needs the acceptance.
func TestWhatNeedsNoAcceptance(t *testing.T) {
	for ratio, want := range map[float64]Status{1.015: StatusSame, 1.03: StatusAccepted} {
		if got := Decide([]Series{about(ratio)}, parsed(t, acceptText))[0]; got.Status != want {
			t.Errorf("%v: %s (%s), want %s", ratio, got.Status, got.Why, want)
		}
	}
}
