// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
)

// sample is a kind of its own: these tests hold whatever the kinds of headroom say.
func sample() scenarios.Kind {
	size := scenarios.Int("size", 4, 1, 9, "how many").When(scenarios.Condition{Link: scenarios.RoleDatabase, Several: true})
	mode := scenarios.Enum("mode", "how", "plain", "fancy")
	planted := scenarios.Share("planted", "0%", "for nothing").HidingDefault()
	return scenarios.Kind{
		Name: "sample", Port: 7000,
		Facts: scenarios.Facts{Label: "a sample", About: "nothing that runs", Ports: 1, Counters: []scenarios.Counter{
			{Key: "pending", Meaning: scenarios.MeaningQueued}, {Key: "put", Meaning: scenarios.MeaningMessages, Total: true}, {Key: "held", Meaning: scenarios.MeaningQueued},
		}},
		Settings: []scenarios.SettingSpec{mode.SettingSpec, planted.SettingSpec, size.SettingSpec},
		Links:    []scenarios.LinkSpec{{Role: scenarios.RoleDatabase, Needs: scenarios.ProtocolPostgreSQL, Many: true}},
		Rules: []scenarios.Rule{
			{When: []scenarios.Condition{{Setting: "mode", Is: "fancy"}, {Link: scenarios.RoleDatabase, Several: true}}, Needs: scenarios.Condition{Setting: "size", Is: "4"},
				Else: "size: {size} in {mode} mode with {database} databases, and not {cache}"},
			{When: []scenarios.Condition{{Setting: "mode", Is: "fancy"}}, Needs: scenarios.Condition{Link: scenarios.RoleDatabase}, Else: "a database is missing"},
			{Needs: scenarios.Condition{Setting: "size", Is: "9", Not: true}, Else: "never 9"},
		},
	}
}

// sampleProcess is a process of that kind with some settings and databases.
func sampleProcess(settings map[string]string, databases ...string) scenarios.Process {
	p := sample().Process("it")
	maps.Copy(p.Settings, settings)
	if len(databases) > 0 {
		p.Links = []scenarios.Link{{Role: scenarios.RoleDatabase, To: databases}}
	}
	return p
}

// A condition is only visible through a rule: one that needs it, of every process.
func TestConditions(t *testing.T) {
	fancy := map[string]string{"mode": "fancy"}
	none, one, two := sampleProcess(nil), sampleProcess(fancy, "a/db"), sampleProcess(fancy, "a/db", "b/db")
	one.Settings["ttl"], two.Settings["ttl"] = "1.5s", "2s" // and none is told none
	for _, test := range []struct {
		name      string
		condition scenarios.Condition
		holds     [3]bool // of none, one, two
	}{
		{"nothing stated", scenarios.Condition{}, [3]bool{true, true, true}},
		{"a setting", scenarios.Condition{Setting: "mode", Is: "fancy"}, [3]bool{false, true, true}},
		{"a setting that is not there", scenarios.Condition{Setting: "colour", Is: "red"}, [3]bool{}},
		{"a link", scenarios.Condition{Link: scenarios.RoleDatabase}, [3]bool{false, true, true}},
		{"a link to several", scenarios.Condition{Link: scenarios.RoleDatabase, Several: true}, [3]bool{false, false, true}},
		{"a link that nobody has", scenarios.Condition{Link: scenarios.RoleCache}, [3]bool{}},
		{"a setting and a link to several", scenarios.Condition{Setting: "mode", Is: "fancy", Link: scenarios.RoleDatabase, Several: true}, [3]bool{false, false, true}},
		{"a setting against the link", scenarios.Condition{Setting: "mode", Is: "plain", Link: scenarios.RoleDatabase}, [3]bool{}},
		{"not a setting", scenarios.Condition{Setting: "mode", Is: "fancy", Not: true}, [3]bool{true, false, false}},
		{"not a link", scenarios.Condition{Link: scenarios.RoleDatabase, Not: true}, [3]bool{true, false, false}},
		{"not a link to several", scenarios.Condition{Link: scenarios.RoleDatabase, Several: true, Not: true}, [3]bool{true, true, false}},
		{"not both", scenarios.Condition{Setting: "mode", Is: "plain", Link: scenarios.RoleDatabase, Not: true}, [3]bool{true, true, true}},
		{"a time of at least so long", scenarios.Condition{Setting: "ttl", Min: "1.5s"}, [3]bool{false, true, true}},
		{"a time of a nanosecond more", scenarios.Condition{Setting: "ttl", Min: "1.500000001s"}, [3]bool{false, false, true}},
		{"a multiple", scenarios.Condition{Setting: "ttl", Step: "1s"}, [3]bool{false, false, true}},
		{"a multiple of what fits both", scenarios.Condition{Setting: "ttl", Step: "500ms"}, [3]bool{false, true, true}},
		{"at least so long, and a multiple", scenarios.Condition{Setting: "ttl", Min: "3s", Step: "1s"}, [3]bool{}},
		{"not so long", scenarios.Condition{Setting: "ttl", Min: "2s", Not: true}, [3]bool{true, true, false}},
		{"bounds of what is no time", scenarios.Condition{Setting: "mode", Min: "0s"}, [3]bool{}},
		{"a bound that is no time", scenarios.Condition{Setting: "ttl", Min: "2"}, [3]bool{}},
		{"a step that is no time", scenarios.Condition{Setting: "ttl", Step: "s"}, [3]bool{}},
		{"a step of nothing", scenarios.Condition{Setting: "ttl", Step: "0s"}, [3]bool{}},
		{"the opposite of nothing stated", scenarios.Condition{Not: true}, [3]bool{}},
	} {
		needed := scenarios.Kind{Rules: []scenarios.Rule{{Needs: test.condition, Else: "wrong"}}}
		asked := scenarios.Kind{Rules: []scenarios.Rule{{When: []scenarios.Condition{test.condition}, Needs: scenarios.Condition{Not: true}, Else: "wrong"}}}
		for i, p := range []scenarios.Process{none, one, two} {
			if got := needed.BrokenRule(p) == ""; got != test.holds[i] {
				t.Errorf("%s, of process %d: as a need it holds: %v", test.name, i, got)
			}
			if got := asked.BrokenRule(p) != ""; got != test.holds[i] {
				t.Errorf("%s, of process %d: as a condition it holds: %v", test.name, i, got)
			}
		}
	}
}

// The first broken rule speaks, with the process's own values.
func TestRules(t *testing.T) {
	for _, test := range []struct {
		settings  map[string]string
		databases []string
		want      string
	}{
		{nil, nil, ""},
		{nil, []string{"a/db", "b/db"}, ""},
		{map[string]string{"mode": "fancy"}, []string{"a/db", "b/db"}, ""},
		{map[string]string{"mode": "fancy", "size": "5"}, []string{"a/db"}, ""}, // one condition of two
		{map[string]string{"mode": "plain", "size": "5"}, []string{"a/db", "b/db"}, ""},
		{map[string]string{"mode": "fancy", "size": "5"}, []string{"a/db", "b/db"}, "size: 5 in fancy mode with 2 databases, and not {cache}"},
		{map[string]string{"mode": "fancy"}, nil, "a database is missing"},
		{map[string]string{"size": "9"}, nil, "never 9"},
		{map[string]string{"mode": "fancy", "size": "9"}, nil, "a database is missing"},
		{map[string]string{"mode": "fancy", "size": "9"}, []string{"a/db", "b/db", "c/db"}, "size: 9 in fancy mode with 3 databases, and not {cache}"},
	} {
		if got := sample().BrokenRule(sampleProcess(test.settings, test.databases...)); got != test.want {
			t.Errorf("%v with %v: %q, want %q", test.settings, test.databases, got, test.want)
		}
	}
	if got := (scenarios.Kind{}).BrokenRule(sampleProcess(nil)); got != "" {
		t.Errorf("a kind without rules says %q", got)
	}
}

func TestProcessOfAKind(t *testing.T) {
	kind := sample()
	p := kind.Process("mine")
	want := scenarios.Process{Name: "mine", Kind: "sample", Port: 7000, Facts: kind.Facts, Settings: map[string]string{"mode": "plain", "planted": "0%", "size": "4"}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	p.Settings["size"] = "1"
	if got := kind.Process("other").Settings["size"]; got != "4" {
		t.Errorf("what one process was told, another has too: %s", got)
	}
	if err := kind.Check(kind.Process("mine").Settings); err != nil {
		t.Errorf("the defaults are wrong: %v", err)
	}
}

// All that is wrong is said at once, in one order.
func TestCheckOfSettings(t *testing.T) {
	kind := sample()
	for _, test := range []struct {
		settings map[string]string
		want     []string
	}{
		{map[string]string{"mode": "fancy", "planted": "3%", "size": "9"}, nil},
		{map[string]string{"mode": "fancy", "planted": "3%", "size": "10"}, []string{"size: 10 is out of range: at least 1 and at most 9"}},
		{map[string]string{"mode": "fancy", "planted": "3%"}, []string{`setting "size" is missing`}},
		{map[string]string{"mode": "fancy", "planted": "3%", "size": "1", "colour": "red"}, []string{`a sample has no setting "colour"`}},
		{map[string]string{"mode": "fanc", "size": "", "sise": "1", "colour": "red"}, []string{
			`a sample has no setting "colour"`, `a sample has no setting "sise"`, `mode: "fanc" is not known; did you mean "fancy"?`,
			`setting "planted" is missing`, `size: "" is not a whole number`}},
		{nil, []string{`setting "mode" is missing`, `setting "planted" is missing`, `setting "size" is missing`}},
	} {
		said := ""
		if err := kind.Check(test.settings); err != nil {
			said = err.Error()
		}
		if want := strings.Join(test.want, "\n"); said != want {
			t.Errorf("%v:\n%s\nwant\n%s", test.settings, said, want)
		}
	}
	if err := (scenarios.Kind{Name: "bare"}).Check(nil); err != nil {
		t.Errorf("a kind without settings: %v", err)
	}
}

// A default that does nothing is not worth telling; what somebody set is.
func TestQuietSettings(t *testing.T) {
	kind := sample()
	for _, test := range []struct {
		name, setting string
		process       scenarios.Process
		want          bool
	}{
		{"a default that always does something", "mode", sampleProcess(nil), false},
		{"a silent default", "planted", sampleProcess(nil), true},
		{"what is planted", "planted", sampleProcess(map[string]string{"planted": "1%"}), false},
		{"a default without what it is for", "size", sampleProcess(nil, "a/db"), true},
		{"a default with what it is for", "size", sampleProcess(nil, "a/db", "b/db"), false},
		{"what somebody set for nothing", "size", sampleProcess(map[string]string{"size": "5"}), false},
		{"no setting of the kind", "colour", sampleProcess(nil), false},
		{"a setting that the process lacks", "mode", scenarios.Process{}, false},
	} {
		if got := kind.IsIrrelevant(test.process, test.setting); got != test.want {
			t.Errorf("%s: quiet %v", test.name, got)
		}
	}
}

func TestFindingInAKind(t *testing.T) {
	kind := sample()
	if s, ok := kind.Setting("size"); !ok || s.Name != "size" || s.Default != "4" {
		t.Errorf("the setting is %+v, %v", s, ok)
	}
	if s, ok := kind.Setting("database"); ok || s.Name != "" {
		t.Errorf("a link is the setting %+v", s)
	}
	if l, ok := kind.Link(scenarios.RoleDatabase); !ok || !l.Many || l.Needs != scenarios.ProtocolPostgreSQL {
		t.Errorf("the link is %+v, %v", l, ok)
	}
	if l, ok := kind.Link("size"); ok || l.Role != "" {
		t.Errorf("a setting is the link %+v", l)
	}
	list := []scenarios.Kind{{Name: "a", Port: 1}, {Name: "b", Port: 2}}
	if k, ok := scenarios.KindOf(list, "b"); !ok || k.Port != 2 {
		t.Errorf("b is %+v, %v", k, ok)
	}
	if k, ok := scenarios.KindOf(list, "c"); ok || k.Name != "" {
		t.Errorf("c is %+v", k)
	}
}

// Counters are asked for by what they mean: there may be several, or none.
func TestKeysOfCounters(t *testing.T) {
	facts := sample().Facts
	for meaning, want := range map[scenarios.Meaning][]string{
		scenarios.MeaningQueued: {"pending", "held"}, scenarios.MeaningMessages: {"put"}, scenarios.MeaningDelivered: nil, "": nil,
	} {
		if got := facts.Keys(meaning); !slices.Equal(got, want) || facts.Counts(meaning) != (len(want) > 0) {
			t.Errorf("%q: counted as %v, counted %v; want %v", meaning, got, facts.Counts(meaning), want)
		}
	}
}

// What a process tells has "_total" behind the names of totals. What it does not
// tell adds nothing.
func TestSumOfWhatAProcessTells(t *testing.T) {
	facts := sample().Facts
	told := map[string]float64{"pending": 3, "held": 2, "put_total": 7, "put": 100, "pending_total": 100}
	for meaning, want := range map[scenarios.Meaning]float64{scenarios.MeaningQueued: 5, scenarios.MeaningMessages: 7, scenarios.MeaningDelivered: 0} {
		if got := facts.Sum(told, meaning); got != want {
			t.Errorf("%q: %v, want %v", meaning, got, want)
		}
	}
	if got := facts.Sum(map[string]float64{"held": 4}, scenarios.MeaningQueued); got != 4 {
		t.Errorf("with one of two figures: %v", got)
	}
	if got := facts.Sum(nil, scenarios.MeaningMessages); got != 0 {
		t.Errorf("of a process that tells nothing: %v", got)
	}
}

// Who reads a trials file needs no list of kinds beside it.
func TestScenarioKeepsItsKindsInJSON(t *testing.T) {
	for _, name := range scenarios.Names() {
		s := loaded(t, name)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got scenarios.Scenario
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(&got)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: written once more it is another, %v:\n%s\n%s", name, err, text, again)
		}
		if !reflect.DeepEqual(got.Kinds, s.Kinds) {
			t.Errorf("%s: the kinds are %+v, want %+v", name, got.Kinds, s.Kinds)
		}
		for _, v := range scenarios.Variants() {
			for i, at := range got.Topology(v).Processes() {
				checkTold(t, &got, at, s.Topology(v).Processes()[i])
			}
		}
	}
}

// checkTold compares a process that was read with the one that was written, and
// wants the process's kind in the scenario.
func checkTold(t *testing.T, s *scenarios.Scenario, got, want scenarios.PlacedProcess) {
	t.Helper()
	if !reflect.DeepEqual(got.Process.Facts, want.Process.Facts) || got.Process.Facts.Label == "" {
		t.Errorf("%s: %s: the facts are %+v, want %+v", s.Name, got.Address(), got.Process.Facts, want.Process.Facts)
	}
	kind, ok := scenarios.KindOf(s.Kinds, got.Process.Kind)
	if !ok || !reflect.DeepEqual(kind.Facts, got.Process.Facts) {
		t.Errorf("%s: %s: its kind %s is not told, or with other facts: %+v", s.Name, got.Address(), got.Process.Kind, kind)
	}
}

// A scenario tells of the kinds that it uses, each once and by name.
func TestKindsOfAScenario(t *testing.T) {
	for name, want := range map[string]string{
		"phase3": "haproxy mail postgres shop valkey",
		"final":  "gateway haproxy mail nats postgres shop valkey varnish worker",
	} {
		var got []string
		for _, k := range loaded(t, name).Kinds {
			got = append(got, string(k.Name))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%s has the kinds %s, want %s", name, joined, want)
		}
	}
}
