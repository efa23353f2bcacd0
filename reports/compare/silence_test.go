// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

var clock = time.Date(2026, 11, 27, 3, 41, 0, 0, time.UTC)

// answering is a trial of a staircase, half a second of warm-up included, that
// answers in every tenth of a second but in those from, to.
func answering(t *testing.T, rps, seconds float64, still ...[2]int) record.Trial {
	t.Helper()
	m := record.Measurement{Began: clock, OfferedRPS: rps, WarmupS: 0.5, DurationS: seconds, Answers: record.Answers{StepS: 0.1}}
	for range int(math.Ceil((seconds + 0.5) * 10)) {
		m.Answers.Counts = append(m.Answers.Counts, 1)
	}
	for _, stretch := range still {
		for i := stretch[0]; i < stretch[1]; i++ {
			m.Answers.Counts[i] = 0
		}
	}
	return record.Trial{Kind: record.KindProbe, Variant: scenarios.Before, Block: 2, Order: 17, RateName: record.RateStairs, Measurement: m}
}

func TestSilences(t *testing.T) {
	type found struct{ from, seconds float64 }
	for _, test := range []struct {
		name  string
		trial record.Trial
		slo   string
		want  []found
	}{
		{"none", answering(t, 80, 3), "p99<250ms", nil},
		{"a database that was paused for 3 s", answering(t, 80, 6, [2]int{12, 42}), "p99<250ms", []found{{1.2, 3}}},
		{"from the warm-up on", answering(t, 80, 3, [2]int{0, 15}), "p99<250ms", []found{{0, 1.5}}},
		{"to the step's end", answering(t, 80, 3, [2]int{20, 35}), "p99<250ms", []found{{2, 1.5}}},
		{"to the end, which is within a tenth", answering(t, 80, 2.75, [2]int{20, 33}), "p99<250ms", []found{{2, 1.25}}},
		{"two", answering(t, 80, 6, [2]int{5, 15}, [2]int{20, 40}), "p99<250ms", []found{{0.5, 1}, {2, 2}}},
		{"too short", answering(t, 80, 3, [2]int{10, 19}), "p99<250ms", nil},
		{"no longer than a queue delays", answering(t, 80, 6, [2]int{10, 28}), "p99<1s", nil},
		{"longer than a queue delays", answering(t, 80, 6, [2]int{10, 31}), "p99<1s", []found{{1, 2.1}}},
		{"a gap that arrivals leave", answering(t, 10, 3, [2]int{10, 22}), "p99<250ms", nil},
		{"longer than arrivals leave", answering(t, 10, 3, [2]int{10, 26}), "p99<250ms", []found{{1, 1.6}}},
		{"just what arrivals hardly leave", answering(t, 10, 3, [2]int{10, 25}), "p99<250ms", []found{{1, 1.5}}},
		{"few requests a second", answering(t, 5, 6, [2]int{10, 40}), "p99<250ms", []found{{1, 3}}},
		{"fewer requests a second", answering(t, 4.99, 60, [2]int{10, 500}), "p99<250ms", nil},
		{"hardly a request a second", answering(t, 2, 60, [2]int{10, 500}), "p99<250ms", nil},
	} {
		slo, err := scenarios.ParseSLO(test.slo)
		if err != nil {
			t.Fatal(err)
		}
		var got []found
		for _, s := range Silences([]record.Trial{test.trial}, slo) {
			got = append(got, found{s.At.Sub(clock).Seconds(), s.Seconds})
			if s.Variant != scenarios.Before || s.Block != 2 || s.Order != 17 || s.RateName != record.RateStairs || s.SetAside ||
				math.Abs(s.Due-test.trial.Measurement.OfferedRPS*s.Seconds) > 1e-9 {
				t.Errorf("%s: %+v", test.name, s)
			}
		}
		same := func(a, b found) bool { return math.Abs(a.from-b.from) < 1e-6 && math.Abs(a.seconds-b.seconds) < 1e-6 }
		if !slices.EqualFunc(got, test.want, same) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// All kinds of trials count, also those that were set aside; one of before it was
// stored when answers came says nothing.
func TestSilencesOfAllKinds(t *testing.T) {
	slo, err := scenarios.ParseSLO("p99<250ms")
	if err != nil {
		t.Fatal(err)
	}
	var trials []record.Trial
	names := []scenarios.RateName{record.RateCommon, record.RateBracket, record.RateStairs, record.RateSoak, record.RateOverload, record.RateRecover, record.RateCurve, record.RateProof}
	for _, name := range names {
		trial := answering(t, 80, 3.5, [2]int{5, 35})
		trial.RateName = name
		trials = append(trials, trial)
	}
	trials[3].Invalid = []string{"machine database restarted"}
	old := answering(t, 80, 3)
	old.Measurement.Answers = record.Answers{}
	trials = append(trials, old)
	got := Silences(trials, slo)
	if len(got) != len(names) {
		t.Fatalf("%d found, want %d: %+v", len(got), len(names), got)
	}
	for i, s := range got {
		if s.RateName != names[i] || s.SetAside != (i == 3) || math.Abs(s.Seconds-3) > 1e-6 {
			t.Errorf("%+v", s)
		}
	}
}

// The first answer of a step that may ask for too much is late for its own queue;
// what stops behind it is not.
func TestTheFirstAnswerOfAnOverloadIsLate(t *testing.T) {
	slo, err := scenarios.ParseSLO("p99<250ms")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[scenarios.RateName]int{record.RateStairs: 2, record.RateBracket: 1, record.RateOverload: 1} {
		trial := answering(t, 80, 5, [2]int{0, 20}, [2]int{30, 45})
		trial.RateName = name
		got := Silences([]record.Trial{trial}, slo)
		if len(got) != want || got[want-1].At.Sub(clock) != 3*time.Second {
			t.Errorf("%s: %+v, want %d", name, got, want)
		}
		trial = answering(t, 80, 3, [2]int{0, 35})
		trial.RateName = name
		if got := Silences([]record.Trial{trial}, slo); len(got) != 1 || got[0].Seconds != 3.5 {
			t.Errorf("%s without any answer: %+v", name, got)
		}
	}
}

// A step takes no part by its verdict, a slice by its validity.
func TestSetAside(t *testing.T) {
	held := &record.Verdict{Outcome: record.Held}
	invalid := &record.Verdict{Outcome: record.Invalid}
	late := []string{"late"}
	for _, test := range []struct {
		trial record.Trial
		want  bool
	}{
		{record.Trial{Kind: record.KindProbe, Verdict: held, Invalid: late}, false},
		{record.Trial{Kind: record.KindProbe, Verdict: invalid}, true},
		{record.Trial{Kind: record.KindProbe, Invalid: late}, true},
		{record.Trial{Kind: record.KindProbe}, false},
		{record.Trial{Kind: record.KindSlice, Verdict: held, Invalid: late}, true},
		{record.Trial{Kind: record.KindSlice, Verdict: invalid}, false},
		{record.Trial{Kind: record.KindSlice, Measurement: record.Measurement{Interrupted: true}}, true},
	} {
		if got := setAside(&test.trial); got != test.want {
			t.Errorf("%s with %+v, %v: set aside %v", test.trial.Kind, test.trial.Verdict, test.trial.Invalid, got)
		}
	}
}
