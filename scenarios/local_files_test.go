// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Beside a scenario of the catalog there is nothing.
func TestCatalogHasNoFilesBesideIt(t *testing.T) {
	list := []Kind{{Name: "any", Port: 8000, Service: true}, {Name: "db", Port: 7000, Facts: Facts{Seeds: true}}}
	for said, want := range map[string]string{
		"any: {image: a, port: 80, files: {/a: facts.go}}":               `"facts.go": a scenario of the catalog has no files beside it: copy the scenario to a file of your own`,
		"any: {build: ., port: 80}":                                      "a scenario of the catalog has no folder that an image could be built from",
		"db: {seed: a, seed_files: [facts.go]}":                          "a scenario of the catalog has no files beside it",
		"any: {image: a, port: 80, env: {A: b}, ready: {http: /health}}": "",
	} {
		text := "before: {label: a, entry: m/x, machines: {m: {size: small, processes: {" + said + "}}}}\n"
		_, err := parse("catalog/mine.yaml", "", []byte(text), list)
		if err == nil {
			t.Fatal("half a scenario was accepted")
		}
		if got := strings.Contains(err.Error(), "of the catalog"); got != (want != "") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", said, err, want)
		}
	}
}

// A meaning that is not in the list can't be named in a file.
func TestAllMeanings(t *testing.T) {
	text, err := os.ReadFile("facts.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\tMeaning\w+ +Meaning = "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
	listed := map[Meaning]bool{}
	for _, m := range Meanings() {
		listed[m] = true
	}
	for _, f := range found {
		if !listed[Meaning(f[1])] {
			t.Errorf("%q is not among Meanings()", f[1])
		}
	}
	if len(found) < 20 || len(found) != len(Meanings()) {
		t.Errorf("%d meanings are declared, %d are listed", len(found), len(Meanings()))
	}
}

// The unit of a time ends the name of the metric, but for _total.
func TestUnitsOfMetrics(t *testing.T) {
	for name, want := range map[string]string{
		"a_seconds_total": "s", "a_seconds": "s", "a_ms_total": "ms", "a_milliseconds_total": "ms", "a_milliseconds": "ms", "a_total": "", "seconds": "", "a_items_total": "", "a_bytes": "",
	} {
		if got := unitOf(name); got != want {
			t.Errorf("%s is in %q, want %q", name, got, want)
		}
	}
}

// A key in quotes is the same key.
func TestKeysInQuotes(t *testing.T) {
	_, root, err := parseDocument("a.yaml", []byte("\"a b\": 1 # one\n'it''s': 2\nplain: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, f := range root.fields() {
		keys = append(keys, f.key+"="+f.value.text())
	}
	if got := strings.Join(keys, ", "); got != "a b=1, it's=2, plain=3" {
		t.Errorf("the fields are %s", got)
	}
}
