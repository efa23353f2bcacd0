// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

func written(t *testing.T) (Baseline, []byte) {
	t.Helper()
	b := baseline(t)
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return b, out.Bytes()
}

func TestBaselineRoundTrip(t *testing.T) {
	b, data := written(t)
	got, err := ParseBaseline("b.json", data)
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Fatalf("%v\n%+v\nwant %+v", err, got, b)
	}
	// A diff shows one changed metric as one changed line.
	changed := b
	changed.Metrics = slices.Clone(b.Metrics)
	changed.Metrics[3].Value++
	var out bytes.Buffer
	if err := changed.Write(&out); err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(string(data), "\n"), strings.Split(out.String(), "\n")
	differ := 0
	for i := range before {
		if before[i] != after[i] {
			differ++
		}
	}
	if len(before) != len(after) || differ != 1 {
		t.Errorf("%d and %d lines, %d differ", len(before), len(after), differ)
	}
}

func TestBaselineRefuses(t *testing.T) {
	_, data := written(t)
	text := string(data)
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "b.json:1: is cut off"},
		"truncated":      {text[:len(text)/2], "is cut off"},
		"truncated line": {text[:strings.LastIndex(text, "{")], "b.json:25: is cut off"},
		"not JSON":       {"scenario: phase1", "b.json:1:"},
		"no format":      {`{"scenario": "phase1"}`, "has no format"},
		"newer":          {strings.Replace(text, `"format": 1`, `"format": 2`, 1), "format 2, and this headroom reads 1"},
		"older":          {strings.Replace(text, `"format": 1`, `"format": 0`, 1), "format 0"},
		"unknown key":    {strings.Replace(text, `"seed"`, `"seeds"`, 1), `unknown field "seeds"`},
		"unknown metric": {strings.Replace(text, `"metric":"errors"`, `"metric":"mistakes"`, 1), `"mistakes", which this headroom does not count`},
		"wrong type":     {strings.Replace(text, `"value":0`, `"value":"0"`, 1), "b.json:11:"},
		"no metrics":     {text[:strings.Index(text, "[")] + "[]}", "holds no metric"},
		"twice":          {strings.Replace(text, `"endpoint":"GET /api/feed","metric":"response"`, `"endpoint":"GET /api/feed","metric":"errors"`, 1), "b.json:12: after, GET /api/feed: errors: stands twice, first on line 11"},
		"no seed":        {strings.Replace(text, `  "seed": 1,`+"\n", "", 1), "has no seed"},
		"no fill rate":   {strings.Replace(text, `  "fill_rps": 0,`+"\n", "", 1), "has no fill_rps"},
		"one run":        {strings.Replace(text, `"runs": 3`, `"runs": 1`, 1), "rests on 1 runs"},
		"doubled key":    {strings.Replace(text, `  "seed": 1,`, `  "seed": 1,`+"\n"+`  "Seed": 2,`, 1), `b.json:6: "Seed" stands twice`},
		"doubled field":  {strings.Replace(text, `"value":0`, `"value":0,"value":1`, 1), `b.json:11: "value" stands twice`},
		"unknown field":  {strings.Replace(text, `"value":0`, `"value":0,"wihtin":1`, 1), `b.json:11: json: unknown field "wihtin"`},
		"no value":       {strings.Replace(text, `,"value":0`, ``, 1), "b.json:11: after, GET /api/feed: errors: has no value"},
		"below 0":        {strings.Replace(text, `"value":0`, `"value":-1`, 1), "b.json:11: after, GET /api/feed: errors: is below 0"},
		"no variant":     {strings.Replace(text, `"variant":"before"`, `"variant":"befor"`, 1), "b.json:18: befor, GET /api/feed: allocations: is of no endpoint, or of no variant"},
	} {
		_, err := ParseBaseline("b.json", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "b.json:") {
			t.Errorf("%s: %v, want %s", name, err, test.want)
			continue
		}
		scenario := "phase1"
		if name == "empty" || name == "not JSON" {
			scenario = "SCENARIO"
		}
		if !strings.HasSuffix(err.Error(), "remove the file, then run headroom baseline --update "+scenario+" --file b.json") {
			t.Errorf("%s: %v: there is no command that mends it", name, err)
		}
	}
}

// What a merge left undecided is nobody's baseline, wherever its marks stand.
func TestBaselineRefusesAConflict(t *testing.T) {
	_, data := written(t)
	lines := strings.SplitAfter(string(data), "\n")
	ours := lines[10]
	conflict := "<<<<<<< HEAD\n" + ours + "=======\n" + strings.Replace(ours, `"value":0`, `"value":1`, 1) + ">>>>>>> branch\n"
	const what = ": has an unresolved merge conflict: take either side (git checkout --theirs b.json), then run headroom baseline --update phase1 --file b.json"
	for name, test := range map[string]struct{ text, want string }{
		"in the metrics": {strings.Join(lines[:10], "") + conflict + strings.Join(lines[11:], ""), "b.json:11" + what},
		"its end alone":  {strings.Join(lines[:10], "") + ">>>>>>> branch\n" + strings.Join(lines[10:], ""), "b.json:11" + what},
	} {
		if _, err := ParseBaseline("b.json", []byte(test.text)); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	// Marks within a statement's text are none.
	harmless := strings.Replace(string(data), feedSQL, feedSQL+" <<<<<<< ======= >>>>>>>", 1)
	if _, err := ParseBaseline("b.json", []byte(harmless)); err != nil {
		t.Error(err)
	}
}

// A difference in what counts are made with is said, and one that nobody knows of
// is not.
func TestDifferences(t *testing.T) {
	docker := record.Environment{Stage: record.StageDocker, Packages: map[string]string{
		"postgresql-17": "17.6-0+deb13u1", "valkey-server": "8.1.1+dfsg1-3", "nats-server": "2.10.27-1", "haproxy": "3.0.11-1", "varnish": "7.7.0-3"}}
	process := record.Environment{Stage: record.StageProcess, Packages: map[string]string{
		"postgres": "postgres (PostgreSQL) 17.7 (Debian 17.7-0+deb13u1)", "valkey-server": "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"}}
	made := MadeWith(docker, kinds.Data())
	if want := map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go"), "stage": "docker", "postgres": "17.6", "valkey": "8.1.1", "nats": "2.10.27", "haproxy": "3.0.11", "varnish": "7.7.0"}; !maps.Equal(made, want) {
		t.Errorf("%v, want %v", made, want)
	}
	b := Baseline{MadeWith: made}
	if got := b.Differences(MadeWith(docker, kinds.Data()), kinds.Data()); len(got) > 0 {
		t.Errorf("the same differs: %q", got)
	}
	want := []string{
		"the baseline was counted with PostgreSQL 17.6, this is 17.7: blocks and statement texts may differ for that alone",
		"the baseline was counted on the stage docker, this is process: blocks and allocations may differ for that alone",
	}
	if got := b.Differences(MadeWith(process, kinds.Data()), kinds.Data()); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Baseline{}).Differences(made, kinds.Data()); len(got) > 0 {
		t.Errorf("a baseline that tells nothing differs: %q", got)
	}
	// Another version of a server that the scenario does not run alters nothing.
	if got := b.Differences(MadeWith(process, kinds.Data()), nil); !slices.Equal(got, want[1:]) {
		t.Errorf("without servers: %q, want %q", got, want[1:])
	}
	// It stands in the file, and comes back.
	whole := baseline(t)
	whole.MadeWith = made
	var out bytes.Buffer
	if err := whole.Write(&out); err != nil {
		t.Fatal(err)
	}
	if got, err := ParseBaseline("b.json", out.Bytes()); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%v\n%+v\nwant %+v", err, got, whole)
	}
}

// otherSeeds are the machines with another command wherever one makes the data.
func otherSeeds(machines []scenarios.Machine) []scenarios.Machine {
	out := slices.Clone(machines)
	for i := range out {
		out[i].Processes = slices.Clone(out[i].Processes)
		for j := range out[i].Processes {
			if p := &out[i].Processes[j]; len(p.Seed) > 0 {
				p.Seed = []string{"make", "more"}
			}
		}
	}
	return out
}

func TestBaselineFits(t *testing.T) {
	b, s := baseline(t), scenario(t)
	if err := b.Fits(s, 1); err != nil {
		t.Error(err)
	}
	if err := b.Fits(s, 2); err == nil || !strings.HasSuffix(err.Error(), "seed 1, not with 2, and other keys make other counts: leave --seed out, or count again with it") {
		t.Errorf("another seed: %v", err)
	}
	words := *s
	words.Title, words.Claims, words.Before.Label = "Another title", nil, "another label"
	if err := b.Fits(&words, 1); err != nil {
		t.Errorf("other words: %v", err)
	}
	for name, change := range map[string]func(){
		"data": func() { words.After.Machines = otherSeeds(words.After.Machines) },
		"mix":  func() { words.Load.Mix = words.Load.Mix[1:] },
		"size": func() { words.After.Machines = words.After.Machines[1:] },
	} {
		words = *s
		change()
		if err := b.Fits(&words, 1); err == nil || !strings.Contains(err.Error(), "another version") || !strings.Contains(err.Error(), "run headroom baseline --update phase1 (with --file") {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	words = *s
	words.Name = "phase2"
	if err := b.Fits(&words, 1); err == nil || !strings.Contains(err.Error(), "of scenario phase1") {
		t.Errorf("another scenario: %v", err)
	}
}

// A head's figures at their bounds.
func TestBaselineHead(t *testing.T) {
	head := func(change func(*Baseline)) Baseline {
		b := Baseline{Scenario: "s", Hash: "h", Requests: 1, Runs: 2}
		change(&b)
		return b
	}
	for want, b := range map[string]Baseline{
		"":                   head(func(*Baseline) {}),
		"names no scenario":  head(func(b *Baseline) { b.Scenario = "" }),
		"names no scenario ": head(func(b *Baseline) { b.Hash = "" }),
		"counts 0 requests":  head(func(b *Baseline) { b.Requests = 0 }),
		"rests on 1 runs":    head(func(b *Baseline) { b.Runs = 1 }),
		"fill_rps is -1":     head(func(b *Baseline) { b.FillRPS = -1 }),
		"fill_rps is +Inf":   head(func(b *Baseline) { b.FillRPS = math.Inf(1) }),
		"fill_rps is NaN":    head(func(b *Baseline) { b.FillRPS = math.NaN() }),
	} {
		err := b.checkHead()
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%+v: %v, want %q", b, err, want)
		}
	}
}

// A metric's faults that the file's text does not show by itself, each with its line.
func TestBaselineRefusesAMetric(t *testing.T) {
	_, data := written(t)
	for name, test := range map[string]struct{ old, new, want string }{
		"a tolerance below 0": {`"value":0`, `"value":0,"within":-1`, "b.json:11: after, GET /api/feed: errors: is below 0"},
		"no endpoint":         {`"endpoint":"GET /api/feed","metric":"errors"`, `"endpoint":"","metric":"errors"`, "b.json:11: after, : errors: is of no endpoint"},
	} {
		if _, err := ParseBaseline("b.json", []byte(strings.Replace(string(data), test.old, test.new, 1))); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if _, err := ParseBaseline("b.json", []byte(strings.Replace(string(data), `"value":0`, `"value":0,"within":0`, 1))); err != nil {
		t.Errorf("a tolerance of 0: %v", err)
	}
	for _, mark := range []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"} {
		if _, err := ParseBaseline("b.json", append([]byte(mark+" x\n"), data...)); err == nil || !strings.HasPrefix(err.Error(), "b.json:1: has an unresolved merge conflict") {
			t.Errorf("%s: %v", mark, err)
		}
	}
}
