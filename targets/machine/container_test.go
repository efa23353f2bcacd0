// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// journalFS notes each file that is opened.
type journalFS struct {
	fs.FS
	journal *[]string
}

func (f journalFS) Open(name string) (fs.File, error) {
	*f.journal = append(*f.journal, name)
	return f.FS.Open(name)
}

// journalCounter notes that it was asked.
type journalCounter struct {
	fakeProgram
	journal *[]string
}

func (c journalCounter) Count(context.Context) (map[string]float64, error) {
	*c.journal = append(*c.journal, "counters")
	return map[string]float64{"hits_total": 5}, nil
}

// A search reads all groups of the host: one that found nothing is not done again at
// once.
func TestContainerSearchesSeldom(t *testing.T) {
	var opened []string
	groups := fstest.MapFS{"cgroup.controllers": {}}
	m := &container{id: "c0ffee-web", cgroups: journalFS{groups, &opened}}
	_, first := m.use()
	if first == nil || len(opened) == 0 {
		t.Fatalf("a group that is not there: %v, opened %q", first, opened)
	}
	for name, file := range cgroupOf("web") {
		groups[name] = file
	}
	opened = nil
	if _, err := m.use(); err == nil || err.Error() != first.Error() || len(opened) > 0 {
		t.Errorf("at once: %v, opened %q", err, opened)
	}
	m.searched = m.searched.Add(-searchEvery)
	if use, err := m.use(); err != nil || use.CPUSeconds != maybe.Of(1.5) {
		t.Errorf("later: %+v, %v", use, err)
	}
}

// The CPU time is read beside the clock, before a busy process is asked.
func TestContainerReadsCPUFirst(t *testing.T) {
	var journal []string
	a := &agent{
		spec:      spec.Spec{Machine: "web", Processes: []spec.Process{{Name: "web", Kind: "own"}}},
		container: &container{id: "c0ffee-web", cgroups: journalFS{cgroupOf("web"), &journal}},
		programs:  []Program{journalCounter{journal: &journal}},
	}
	c := a.observe(t.Context())
	cpu := slices.IndexFunc(journal, func(name string) bool { return strings.HasSuffix(name, "cpu.stat") })
	if asked := slices.Index(journal, "counters"); cpu < 0 || asked < cpu {
		t.Errorf("read in the order %q", journal)
	}
	if c.CPUSecondsTotal != maybe.Of(1.5) || c.Processes[0].Counts["hits_total"] != 5 {
		t.Errorf("%+v", c)
	}
}
