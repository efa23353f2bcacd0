// SPDX-License-Identifier: Apache-2.0

// Package compose writes a topology as a docker-compose file, so that a person
// can stand an architecture up with one command and look at it. It is pure: the
// file is a function of the topology and the size of its data.
//
// The file says the same as the docker stage does: one service a machine, all
// of one image, each told by spec.EnvSpec what it runs. It differs where nobody
// measures: no machine's CPU is limited.
package compose

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	// nonce is what the agents of such a system carry: fixed, because the file
	// is written once and no run could tell it one.
	nonce = "compose"
	// firstPort is where the first entry answers on this computer; further ones
	// follow.
	firstPort = 8080
	// seedService makes the dataset, and ends.
	seedService = "seed"
	mibPerGiB   = 1024
)

//go:embed compose.tmpl
var fileTemplate string

var file = template.Must(template.New("compose").Parse(fileTemplate))

// File is what a compose file is made from.
type File struct {
	Scenario string
	Variant  scenarios.Variant
	Topology scenarios.Topology
	Dataset  scenarios.Dataset // as the variant keeps it
}

// Of is the file of a scenario's variant.
func Of(s *scenarios.Scenario, v scenarios.Variant) File {
	return File{Scenario: s.Name, Variant: v, Topology: s.Topology(v), Dataset: s.DatasetOf(v)}
}

// Write writes the file to w. It fails when a link leads nowhere, or when a
// machine has the name of the service that seeds.
func (f File) Write(w io.Writer) error {
	c, err := f.content()
	if err != nil {
		return fmt.Errorf("compose file of %s, %s: %w", f.Scenario, f.Variant, err)
	}
	return file.Execute(w, c)
}

// content is what the template shows.
type content struct {
	File
	Seed     []string // the command that seeds, nil where there is no database
	Services []service
	Entries  []port
}

// service is one machine.
type service struct {
	Name      string
	Says      string // what it runs and talks to, for people
	MemoryMiB int
	Database  bool
	Seeded    bool   // a database that begins as the seeded data
	Keeps     bool   // has data that must outlive its container: a database's, a queue's
	Spec      string // its spec as a quoted YAML scalar
	Needs     []string
	Ports     []port
}

// port is an entry on this computer.
type port struct {
	From     string // the place whose users it serves, "" when there is one entry
	Variable string // names another port than Default
	Default  int
	machine  string
	Inside   int
}

func (f File) content() (content, error) {
	c := content{File: f}
	var err error
	if c.Entries, err = f.ports(); err != nil {
		return c, err
	}
	for _, m := range f.Topology.Machines {
		s, err := f.service(m, c.Entries)
		if err != nil {
			return c, err
		}
		if s.Seeded {
			c.Seed = f.seedCommand()
		}
		c.Services = append(c.Services, s)
	}
	if c.Seed != nil && slices.ContainsFunc(c.Services, func(s service) bool { return s.Name == seedService }) {
		return c, fmt.Errorf("a machine is named %q, as the service that makes the dataset is: rename it", seedService)
	}
	return c, nil
}

func (f File) seedCommand() []string {
	return append([]string{"headroom", "seed"}, f.Dataset.SeedFlags()...)
}

func (f File) service(m scenarios.Machine, entries []port) (service, error) {
	host := func(machine string) string { return machine } // the engine resolves services' names
	machineSpec, err := spec.ForMachine(f.Topology, m, host, nonce, f.Dataset, nil)
	if err != nil {
		return service{}, err
	}
	encoded, err := json.Marshal(machineSpec)
	if err != nil {
		return service{}, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	s := service{
		Name:      m.Name,
		Says:      says(m),
		MemoryMiB: int(m.MemoryGiB * mibPerGiB),
		Database:  m.HasDatabase(),
		Seeded:    m.NeedsDataset(),
		Keeps:     m.Stores(),
		Spec:      quote(string(encoded)),
		Needs:     slices.Sorted(slices.Values(m.Needs())),
	}
	for _, e := range entries {
		if e.machine == m.Name {
			s.Ports = append(s.Ports, e)
		}
	}
	return s, nil
}

// ports says where the entries answer.
func (f File) ports() ([]port, error) {
	var out []port
	for i, from := range f.Topology.Places() {
		entry := f.Topology.EntryOf(from)
		at, err := f.Topology.Find(entry)
		if err != nil {
			return nil, errors.New("entry " + entry + " is no process")
		}
		p := port{From: from, Variable: "HEADROOM_PORT", Default: firstPort + i, machine: at.Machine.Name, Inside: at.Process.Port}
		if from != "" {
			p.Variable += "_" + strings.ToUpper(strings.ReplaceAll(from, "-", "_"))
		}
		out = append(out, p)
	}
	return out, nil
}

// says tells what a machine runs.
func says(m scenarios.Machine) string {
	var names []string
	for _, p := range m.Processes {
		name := p.Name
		if name != string(p.Kind) {
			name += " (" + string(p.Kind) + ")"
		}
		names = append(names, name)
	}
	size := m.Size
	if m.External {
		size = "external"
	}
	return size + ": " + strings.Join(names, ", ")
}

// quote makes a YAML scalar of text, in which compose is to replace nothing.
func quote(text string) string {
	return "'" + strings.NewReplacer("'", "''", "$", "$$").Replace(text) + "'"
}
