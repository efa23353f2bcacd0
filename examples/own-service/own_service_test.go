// SPDX-License-Identifier: Apache-2.0

// Package ownservice tests the example of a service of one's own: its files, and the
// page that explains them.
package ownservice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

const scenarioFile = "scenario.yaml"

// readScenario parses the example.
func readScenario(t *testing.T) *scenarios.Scenario {
	t.Helper()
	text, err := os.ReadFile(scenarioFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Parse(scenarioFile, text, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The example says of its service what headroom can't find out by itself.
func TestScenarioKnowsTheService(t *testing.T) {
	s := readScenario(t)
	for _, v := range scenarios.Variants() {
		web := s.Topology(v).MachinesOf("web")
		if len(web) != 2 {
			t.Fatalf("%s: %d web machines, want 2", v, len(web))
		}
		for _, m := range web {
			p, foreign := m.Foreign()
			if !foreign || p.Service.Build == nil || p.Service.Limits != scenarios.LimitsFromStart || p.Service.Ready.HTTP != "/health" {
				t.Errorf("%s: the service of %s is %+v", v, m.Name, p.Service)
			}
			if m.Keeps() != scenarios.KeepsNothing || !p.Speaks(scenarios.ProtocolOrigin) {
				t.Errorf("%s: the facts of %s are %+v", v, m.Name, p.Facts)
			}
			if !p.Facts.Counts(scenarios.MeaningAppRequests) || !p.Facts.Counts(scenarios.MeaningPoolWait) {
				t.Errorf("%s: %s counts %+v", v, m.Name, p.Facts.Counters)
			}
		}
	}
}

// Both variants begin with the same data, in which the file of the tables counts.
func TestScenarioSharesItsData(t *testing.T) {
	s := readScenario(t)
	before, after := s.Before.Datasets(), s.After.Datasets()
	if len(before) != 1 || len(after) != 1 || before[0].Key() != after[0].Key() {
		t.Fatalf("the data of before are %v, of after %v", before, after)
	}
	files := before[0].Process.SeedFiles
	if len(files) != 1 || files[0].Path != "schema.sql" || !strings.Contains(string(files[0].Content), "CREATE TABLE items") {
		t.Errorf("the seed's files are %+v", files)
	}
}

// Each piece of YAML on the page about services, and the one of the README, is a
// topology's machines, and as such it is read without a complaint.
func TestPagesAreRight(t *testing.T) {
	blocks := yamlBlocks(readPage(t, "docs", "own-systems.md"))
	if len(blocks) != 4 {
		t.Errorf("%d pieces of YAML were found, want 4: count a new one in", len(blocks))
	}
	_, section, _ := strings.Cut(readPage(t, "README.md"), "\n## Your own services\n")
	short := yamlBlocks(section)
	if len(short) == 0 {
		t.Fatal("the README has no piece of YAML about services")
	}
	const database = "database: {size: medium, processes: {postgres: {max_connections: 50}}}\n"
	blocks = append(blocks, database+strings.ReplaceAll(strings.TrimPrefix(short[0], "    "), "\n    ", "\n"))
	for _, block := range blocks {
		text := scenarioAround(block)
		if _, err := scenarios.Parse(scenarioFile, []byte(text), kinds.Data()); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// readPage reads a page of the repository.
func readPage(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// yamlBlocks are the pieces of a page that are marked as YAML.
func yamlBlocks(page string) []string {
	var blocks []string
	for _, part := range strings.Split(page, "\n```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}

// scenarioAround is a scenario with these machines, of which one is web and runs app.
func scenarioAround(machines string) string {
	variant := "\n  label: page\n  entry: web/app\n  machines:\n    " + strings.ReplaceAll(machines, "\n", "\n    ") + "\n"
	return "name: page\ntitle: A page\nquestion: Is it right?\nslo: p99<250ms\n" +
		"load:\n  mix:\n    - {request: \"GET /\", weight: 100%}\n" +
		"before:" + variant + "after:" + variant
}
