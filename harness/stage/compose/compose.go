// SPDX-License-Identifier: Apache-2.0

// Package compose writes a topology as a docker-compose file, so that a person
// can stand an architecture up with one command and look at it. It is pure: the
// file is a function of the topology.
//
// The file describes the system that the docker stage starts. Each machine is a
// service, and spec.EnvSpec tells it what it runs. All machines have the same image,
// except those that run an image of the user's own. Each dataset is a service too,
// which makes the data and ends. Because nobody measures, no machine's CPU is limited
// and there is no observer.
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

	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	// nonce is what the agents of such a system carry. It is fixed: the file is written
	// once, for no run in particular.
	nonce = "compose"
	// firstPort is where the first entry answers on this computer; further ones
	// follow.
	firstPort = 8080
	// seedService makes a dataset, and ends; datasetVolume is where it makes it. Where
	// there are several, a number follows.
	seedService   = "seed"
	datasetVolume = "dataset"
	mibPerGiB     = 1024
	bytesPerMiB   = 1 << 20
)

//go:embed compose.tmpl
var fileTemplate string

var file = template.Must(template.New("compose").Parse(fileTemplate))

// File is what a compose file is made from.
type File struct {
	Scenario string
	Variant  scenarios.Variant
	Topology scenarios.Topology
}

// Of is the file of a scenario's variant.
func Of(s *scenarios.Scenario, v scenarios.Variant) File {
	return File{Scenario: s.Name, Variant: v, Topology: s.Topology(v)}
}

// Write writes the file to w. It fails when a link leads nowhere, when a
// machine has the name of a service that makes a dataset, or when data are made in an
// image of the user's own.
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
	Makers   []maker
	Services []service
	Entries  []port
	Configs  []config // all of them
	Ours     bool     // a machine or a maker is of the machine image
	Trusting bool     // a database of that image runs, which asks nobody for a password
	Plain    bool     // a service has variables or build arguments, which may be secret
}

// maker is a service that makes a dataset.
type maker struct {
	Name            string
	For             string // the processes that begin with the data, for people
	Volume          string
	SharedMemoryMiB int64
	Configs         []config // the files of the seed command
	Spec            string   // its spec as a quoted YAML scalar
	key             string   // of the dataset
}

// service is one machine.
type service struct {
	Name            string
	Says            string // what it runs and talks to, for people
	MemoryMiB       int
	SharedMemoryMiB int64    // 0: the engine's default will do
	Volumes         []string // what it begins with, read-only, and one of its own: YAML scalars
	Makers          []string // the services that must have ended before
	Own             *own     // nil: the service is of the machine image
	Configs         []config // the files of a process of the user's own
	Spec            string   // its spec as a quoted YAML scalar
	Needs           []need
	Ports           []port
}

// need is a service that must have begun before, and how far.
type need struct{ Name, Condition string }

// port is an entry on this computer.
type port struct {
	From     string // the place whose users it serves, "" when there is one entry
	Variable string // names another port than Default
	Default  int
	Path     string // what answers when all is well
	machine  string
	Inside   int
}

func (f File) content() (content, error) {
	c := content{File: f}
	err := stage.CheckServices(f.Topology, true)
	if err != nil {
		return c, err
	}
	if c.Entries, err = f.ports(); err != nil {
		return c, err
	}
	if c.Makers, err = f.makers(); err != nil {
		return c, err
	}
	for _, m := range f.Topology.Machines {
		if slices.ContainsFunc(c.Makers, func(made maker) bool { return made.Name == m.Name }) {
			return c, fmt.Errorf("a machine is named %q, as a service that makes a dataset is: rename it", m.Name)
		}
		s, err := f.service(m, c)
		if err != nil {
			return c, err
		}
		c.Services = append(c.Services, s)
		c.Ours = c.Ours || s.Own == nil
		c.Plain = c.Plain || s.Own.tells()
	}
	c.Ours = c.Ours || len(c.Makers) > 0
	c.Trusting = slices.ContainsFunc(f.Topology.Processes(), func(at scenarios.PlacedProcess) bool { return at.Process.Facts.Database && !at.Process.Foreign() })
	for _, made := range c.Makers {
		c.Configs = append(c.Configs, made.Configs...)
	}
	for _, s := range c.Services {
		c.Configs = append(c.Configs, s.Configs...)
	}
	return c, nil
}

// makers are the services that make the datasets, in the start order of the processes
// that begin with the data.
func (f File) makers() ([]maker, error) {
	datasets := f.Topology.Datasets()
	var out []maker
	for i, d := range datasets {
		if d.Process.Foreign() {
			return nil, fmt.Errorf("the data of %s are made by a command inside its image beside the running process, and a compose file can't say that: leave seed out of a copy of the scenario, and fill the database yourself", f.beginsWith(d))
		}
		encoded, err := json.Marshal(stage.SeedSpec(d, spec.DatasetDir, scenarios.SeedFilesDir, nonce, nil))
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", d.Command(), err)
		}
		made := maker{
			Name: seedService, Volume: datasetVolume, For: f.beginsWith(d), key: d.Key(),
			SharedMemoryMiB: mebibytes(d.Process.Facts.SharedMemoryBytes), Spec: quote(string(encoded)),
		}
		if len(datasets) > 1 {
			made.Name, made.Volume = fmt.Sprintf("%s-%d", seedService, i+1), fmt.Sprintf("%s-%d", datasetVolume, i+1)
		}
		if made.Configs, err = configs(made.Name, scenarios.SeedFilesDir, d.Process.SeedFiles); err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// beginsWith names the processes that begin with a dataset.
func (f File) beginsWith(d scenarios.Dataset) string {
	var names []string
	for _, at := range f.Topology.Processes() {
		if own, begins := f.Topology.DatasetOf(at.Machine, at.Process); begins && own.Key() == d.Key() {
			names = append(names, at.Address())
		}
	}
	return strings.Join(names, ", ")
}

// mebibytes rounds up, so that nothing is too small.
func mebibytes(bytes int64) int64 { return (bytes + bytesPerMiB - 1) / bytesPerMiB }

func (f File) service(m scenarios.Machine, c content) (service, error) {
	host := func(machine string) string { return machine } // the engine resolves services' names
	machineSpec, err := spec.ForMachine(f.Topology, m, host, nonce, spec.InMachine, nil)
	if err != nil {
		return service{}, err
	}
	s := service{
		Name:            m.Name,
		Says:            says(m),
		MemoryMiB:       int(m.MemoryGiB * mibPerGiB),
		SharedMemoryMiB: mebibytes(m.SharedMemoryBytes()),
		Needs:           f.needs(m),
	}
	if err := s.tell(m, machineSpec); err != nil {
		return service{}, fmt.Errorf("machine %s: %w", m.Name, err)
	}
	for _, p := range m.Processes {
		d, begins := f.Topology.DatasetOf(m, p)
		if !begins {
			continue
		}
		made := c.Makers[slices.IndexFunc(c.Makers, func(made maker) bool { return made.key == d.Key() })]
		s.Volumes = append(s.Volumes, scalar(made.Volume+":"+spec.InMachine(p)+":ro"))
		if !slices.Contains(s.Makers, made.Name) {
			s.Makers = append(s.Makers, made.Name)
		}
	}
	if p, foreign := m.Foreign(); foreign && m.Stores() {
		s.Volumes = append(s.Volumes, scalar(p.Service.Data))
	} else if m.Stores() {
		s.Volumes = append(s.Volumes, scalar(spec.DataDir))
	}
	for _, e := range c.Entries {
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
		p := port{From: from, Variable: "HEADROOM_PORT", Default: firstPort + i, Path: healthPath(at.Process), machine: at.Machine.Name, Inside: at.Process.Port}
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

// quote makes a YAML scalar of text. Compose replaces nothing in the scalar.
func quote(text string) string {
	return "'" + strings.NewReplacer("'", "''", "$", "$$").Replace(text) + "'"
}
