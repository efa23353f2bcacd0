package gate

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
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
		"twice":          {strings.Replace(text, `"endpoint":"GET /api/feed","metric":"response"`, `"endpoint":"GET /api/feed","metric":"errors"`, 1), "stands twice"},
	} {
		if _, err := ParseBaseline("b.json", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "b.json:") {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

func TestBaselineFits(t *testing.T) {
	b, s := baseline(t), scenario(t)
	if err := b.Fits(s, 1); err != nil {
		t.Error(err)
	}
	if err := b.Fits(s, 2); err == nil || !strings.Contains(err.Error(), "seed 1, not with 2") {
		t.Errorf("another seed: %v", err)
	}
	words := *s
	words.Title, words.Claims, words.Before.Label = "Another title", nil, "another label"
	if err := b.Fits(&words, 1); err != nil {
		t.Errorf("other words: %v", err)
	}
	for name, change := range map[string]func(){
		"data": func() { words.Dataset.Users++ },
		"mix":  func() { words.Load.Mix = words.Load.Mix[1:] },
		"size": func() { words.After.Machines = words.After.Machines[1:] },
	} {
		words = *s
		change()
		if err := b.Fits(&words, 1); err == nil || !strings.Contains(err.Error(), "another version") {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	words = *s
	words.Name = "phase2"
	if err := b.Fits(&words, 1); err == nil || !strings.Contains(err.Error(), "of scenario phase1") {
		t.Errorf("another scenario: %v", err)
	}
}
