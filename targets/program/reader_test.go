// SPDX-License-Identifier: Apache-2.0

package program

import (
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

var (
	word  = scenarios.Enum("word", "a word", "none", "some")
	count = scenarios.Int("count", 1, 1, 3, "a number")
	wait  = scenarios.Duration("time", time.Second, time.Second, 5*time.Second, "a time")
	size  = scenarios.Size("size", "1MB", "a size")
)

// gate is a kind that has a setting of each sort, and a rule.
func gate() scenarios.Kind {
	return scenarios.Kind{
		Name:     "gateway",
		Settings: []scenarios.SettingSpec{count.SettingSpec, size.SettingSpec, wait.SettingSpec, word.SettingSpec},
		Rules: []scenarios.Rule{{
			When:  []scenarios.Condition{{Setting: "word", Is: "some"}},
			Needs: scenarios.Condition{Link: "two", Several: true},
			Else:  "word: {word} needs several of two",
		}},
	}
}

func sample() spec.Process {
	return spec.Process{
		Name: "gate", Kind: "gateway", Address: "127.0.0.1", Port: 8081,
		Settings: map[string]string{"word": "some", "count": "3", "time": "5s", "size": "2MB"},
		Links:    map[scenarios.Role][]string{"one": {"a:1"}, "two": {"a:1", "b:2"}, "bad": {"a"}, "empty": {}},
	}
}

func TestReader(t *testing.T) {
	p := sample()
	r := NewReader(p, gate())
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	if r.Listen() != "127.0.0.1:8081" || r.Link("one") != "a:1" || len(r.Links("two")) != 2 || r.OptionalLink("none") != "" ||
		word.Of(p.Settings) != "some" || count.Of(p.Settings) != 3 ||
		wait.Of(p.Settings) != 5*time.Second || size.Of(p.Settings) != 2<<20 {
		t.Errorf("a value differs from the process's")
	}
	if r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestReaderRefuses(t *testing.T) {
	set := func(name, value string) func(*spec.Process) {
		return func(p *spec.Process) { p.Settings[name] = value }
	}
	tests := []struct {
		holds  string
		change func(*spec.Process) // nil: none
		read   func(*Reader)       // nil: nothing more
	}{
		{holds: "link two leads to 2 places", read: func(r *Reader) { r.Link("two") }},
		{holds: "link none leads nowhere", read: func(r *Reader) { r.Links("none") }},
		{holds: "link empty leads nowhere", read: func(r *Reader) { r.Links("empty") }},
		{holds: `"a" is not host:port`, read: func(r *Reader) { r.Links("bad") }},
		{holds: `word: "any" is not known`, change: set("word", "any")},
		{holds: "at least 1 and at most 3", change: set("count", "4")},
		{holds: "at least 1s and at most 5s", change: set("time", "0s")},
		{holds: "at least 1s and at most 5s", change: set("time", "6s")},
		{holds: `"5s" is not a size`, change: set("size", "5s")},
		{holds: `setting "size" is missing`, change: func(p *spec.Process) { delete(p.Settings, "size") }},
		{holds: `has no setting "colour"`, change: set("colour", "red")},
		{holds: "word: some needs several of two", change: func(p *spec.Process) { p.Links["two"] = []string{"a:1"} }},
		{holds: "kind gateway", change: func(p *spec.Process) { p.Kind = "link" }},
		{holds: "port 65535", change: func(p *spec.Process) { p.Port = 65535 }, read: func(r *Reader) { r.Listen() }}, // no port after it
	}
	for _, test := range tests {
		p := sample()
		if test.change != nil {
			test.change(&p)
		}
		r := NewReader(p, gate())
		if test.read != nil {
			test.read(r)
		}
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), test.holds) || !strings.Contains(err.Error(), "process gate") {
			t.Errorf("error %v, want one that names the process and holds %q", err, test.holds)
		}
	}
}

// Whatever the reader lets pass can be read.
func FuzzSize(f *testing.F) {
	f.Add("1GB")
	f.Add("9223372036854775807GB")
	f.Fuzz(func(t *testing.T, text string) {
		p := sample()
		p.Settings["size"] = text
		if r := NewReader(p, gate()); r.Err() == nil && size.Of(p.Settings) < 1024 {
			t.Errorf("%q is %d bytes", text, size.Of(p.Settings))
		}
	})
}
