// SPDX-License-Identifier: Apache-2.0

package kinds

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// find is a kind by its name, which must be there.
func find(t *testing.T, name scenarios.KindName) machine.Kind {
	t.Helper()
	i := slices.IndexFunc(All(), func(k machine.Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no kind %s", name)
	}
	return All()[i]
}

// A further kind that says too little of itself fails here.
func TestKindsSayWhatTheyAre(t *testing.T) {
	if names := allNames(); !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("the names %v are not sorted, or one comes twice", names)
	}
	ports := map[int]scenarios.KindName{}
	for _, k := range All() {
		f := k.Facts
		if k.Name == "" || k.New == nil || f.Label == "" || f.About == "" || (k.Port < 1024) != k.Service || f.Ports < 1 {
			t.Errorf("%s: %+v at port %d says too little", k.Name, f, k.Port)
		}
		for i := range f.Ports {
			if other, taken := ports[k.Port+i]; taken {
				t.Errorf("%s: port %d is also %s's", k.Name, k.Port+i, other)
			}
			ports[k.Port+i] = k.Name
		}
		// What a service keeps, the scenario says.
		if !k.Service && (f.Database || f.Seeds) && (f.Keeps != scenarios.KeepsData || !f.Stores) || f.Keeps == scenarios.KeepsQueue && !f.Stores {
			t.Errorf("%s: its facts don't agree: %+v", k.Name, f)
		}
		if f.Relays && (f.Server != nil || f.Ports < 2) {
			t.Errorf("%s: has no port to be asked at", k.Name)
		}
	}
}

func allNames() []scenarios.KindName {
	var names []scenarios.KindName
	for _, k := range Data() {
		names = append(names, k.Name)
	}
	return names
}

// A server says what to install and how it is found, and one of our own has no need
// to.
func TestServersSayWhereTheyComeFrom(t *testing.T) {
	for _, k := range All() {
		if (k.Facts.Server == nil) != (k.Server == nil) {
			t.Errorf("%s: is a server by one half alone", k.Name)
		}
		if k.Facts.Server == nil || k.Server == nil {
			continue
		}
		s := k.Facts.Server
		if s.Program == "" || s.Debian == "" || s.Install == "" || len(s.Versions) == 0 || slices.Contains(s.Versions, "") || s.Alters == "" {
			t.Errorf("%s: whoever lacks the server is told too little: %+v", k.Name, *s)
		}
		if k.Server.Find == nil || k.Server.Version == nil {
			t.Errorf("%s: nobody can find it or ask for its version", k.Name)
		}
	}
	for name, want := range map[scenarios.KindName][2]string{
		"haproxy": {"haproxy", "haproxy"}, "nats": {"nats-server", "nats-server"}, "varnish": {"varnishd", "varnish"},
		"postgres": {"PostgreSQL 15 or newer", "postgresql"}, "valkey": {"valkey-server or redis-server", "valkey-server (or redis-server)"},
	} {
		if s := find(t, name).Facts.Server; s == nil || s.Program != want[0] || s.Install != want[1] {
			t.Errorf("%s: %+v, want %q", name, s, want)
		}
	}
}

// A server in PATH is found, and asked for its version in its own way.
func TestServersAreFoundInPath(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	for _, test := range []struct {
		kind    scenarios.KindName
		program string
		flag    string
	}{
		{"haproxy", "haproxy", "-v"}, {"nats", "nats-server", "--version"}, {"varnish", "varnishd", "-V"},
		{"valkey", "valkey-server", "--version"},
	} {
		path := filepath.Join(bin, test.program)
		script := fmt.Sprintf("#!/bin/sh\n[ \"$*\" = %s ] && echo %s 1.2\n", test.flag, test.program)
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		server := find(t, test.kind).Server
		found, err := server.Find()
		if err != nil || found != path {
			t.Errorf("%s: found %s, %v, want %s", test.kind, found, err, path)
			continue
		}
		if version, err := server.Version(t.Context(), found); err != nil || version != test.program+" 1.2" {
			t.Errorf("%s: version %q, %v", test.kind, version, err)
		}
	}
}

func TestSettingsOfKinds(t *testing.T) {
	for _, k := range Data() {
		var seen []string
		for _, s := range k.Settings {
			if s.Name == "" || s.About == "" || slices.Contains(seen, s.Name) || s.Name == "kind" || s.Name == "port" || s.Name == "seed" {
				t.Errorf("%s: setting %q says too little, or comes twice", k.Name, s.Name)
			}
			seen = append(seen, s.Name)
			if _, isLink := k.Link(scenarios.Role(s.Name)); isLink {
				t.Errorf("%s: %s is a setting and a link", k.Name, s.Name)
			}
			if kept, err := s.Read(s.Default); err != nil || kept != s.Default {
				t.Errorf("%s: %s: the default %q is kept as %q, %v", k.Name, s.Name, s.Default, kept, err)
			}
			for _, c := range s.RelevantWhen {
				checkCondition(t, k, c)
			}
		}
		if !slices.IsSorted(seen) {
			t.Errorf("%s: the settings %q are not sorted", k.Name, seen)
		}
		if err := k.Check(k.Process("p").Settings); err != nil {
			t.Errorf("%s: its own defaults are refused: %v", k.Name, err)
		}
	}
}

func TestLinksOfKinds(t *testing.T) {
	for _, k := range Data() {
		var seen []scenarios.Role
		optional := false
		for _, l := range k.Links {
			if l.Role == "" || l.About == "" || slices.Contains(seen, l.Role) {
				t.Errorf("%s: link %q says too little, or comes twice", k.Name, l.Role)
			}
			seen = append(seen, l.Role)
			speaks := func(other scenarios.Kind) bool { return slices.Contains(other.Facts.Speaks, l.Needs) }
			if !slices.ContainsFunc(Data(), speaks) {
				t.Errorf("%s: link %s needs %q, which no kind speaks", k.Name, l.Role, l.Needs)
			}
			if l.Many && l.Pairwise {
				t.Errorf("%s: link %s leads to many and to one each", k.Name, l.Role)
			}
			if l.Required && optional {
				t.Errorf("%s: link %s is required, and stands behind one that is not", k.Name, l.Role)
			}
			optional = optional || !l.Required
		}
	}
}

func TestRulesOfKinds(t *testing.T) {
	for _, k := range Data() {
		for _, r := range k.Rules {
			if r.Else == "" || len(r.When) == 0 {
				t.Errorf("%s: a rule says too little: %+v", k.Name, r)
			}
			for _, c := range append(slices.Clone(r.When), r.Needs) {
				checkCondition(t, k, c)
			}
		}
		if wrong := k.BrokenRule(k.Process("p")); wrong != "" {
			t.Errorf("%s: its own defaults are refused: %s", k.Name, wrong)
		}
	}
}

// checkCondition wants the words of a condition to be those of the kind.
func checkCondition(t *testing.T, k scenarios.Kind, c scenarios.Condition) {
	t.Helper()
	if c.Setting == "" && c.Link == "" {
		t.Errorf("%s: a condition asks for nothing: %+v", k.Name, c)
	}
	if c.Setting != "" {
		s, known := k.Setting(c.Setting)
		if !known {
			t.Errorf("%s: a condition asks for %q, which is no setting", k.Name, c.Setting)
		} else {
			checkValues(t, k, s, c)
		}
	}
	l, known := k.Link(c.Link)
	if c.Link != "" && !known || c.Several && !l.Many {
		t.Errorf("%s: a condition asks for %q, which is no link or no link to several", k.Name, c.Link)
	}
}

// checkValues wants the values of a condition to be those that its setting may have.
func checkValues(t *testing.T, k scenarios.Kind, s scenarios.SettingSpec, c scenarios.Condition) {
	t.Helper()
	values := []string{c.Is}
	if c.Min != "" || c.Step != "" {
		values = []string{c.Min, c.Step}
		if s.Type != scenarios.TypeDuration || c.Is != "" {
			t.Errorf("%s: a condition has bounds for %s, which is no time, or a value too: %+v", k.Name, c.Setting, c)
		}
	}
	for _, value := range values {
		if _, err := s.Read(value); err != nil {
			t.Errorf("%s: a condition asks for %s: %v", k.Name, c.Setting, err)
		}
	}
}

func TestCountersOfKinds(t *testing.T) {
	for _, k := range Data() {
		var seen []string
		for _, c := range k.Facts.Counters {
			if c.Key == "" || c.Meaning == "" || slices.Contains(seen, c.Key) {
				t.Errorf("%s: counter %+v says too little, or comes twice", k.Name, c)
			}
			seen = append(seen, c.Key)
		}
	}
}

// Of every kind it is known whether copies of its machine can stand beside one
// another.
func TestKeeps(t *testing.T) {
	keeps := map[scenarios.KindName]string{
		"shop": scenarios.KeepsNothing, "mail": scenarios.KeepsNothing, "haproxy": scenarios.KeepsNothing, "gateway": scenarios.KeepsNothing,
		"varnish": scenarios.KeepsNothing, "worker": scenarios.KeepsNothing, "link": scenarios.KeepsNothing,
		"postgres": scenarios.KeepsData, "valkey": scenarios.KeepsData, "nats": scenarios.KeepsQueue,
	}
	for _, k := range Data() {
		if k.Service { // its file says it
			if k.Facts.Keeps != "" {
				t.Errorf("all of %s keep %q, whatever they are", k.Name, k.Facts.Keeps)
			}
			continue
		}
		if !slices.Contains([]string{scenarios.KeepsNothing, scenarios.KeepsData, scenarios.KeepsQueue}, k.Facts.Keeps) {
			t.Errorf("%s keeps %q: say whether it keeps data, a queue or nothing", k.Name, k.Facts.Keeps)
		}
		if want, known := keeps[k.Name]; known && k.Facts.Keeps != want {
			t.Errorf("%s keeps %q, want %q", k.Name, k.Facts.Keeps, want)
		}
	}
	of := func(kinds ...scenarios.KindName) (m scenarios.Machine) {
		for _, name := range kinds {
			m.Processes = append(m.Processes, find(t, name).Process(string(name)))
		}
		return m
	}
	for _, test := range []struct {
		machine scenarios.Machine
		want    string
	}{
		{of("shop", "haproxy"), scenarios.KeepsNothing},
		{of("postgres", "shop", "haproxy"), scenarios.KeepsData},
		{of("nats", "worker"), scenarios.KeepsQueue},
		{of("nats", "valkey"), scenarios.KeepsData},
	} {
		if got := test.machine.Keeps(); got != test.want {
			t.Errorf("%+v keeps %q, want %q", test.machine, got, test.want)
		}
	}
}

func TestPortsOfKinds(t *testing.T) {
	two := []scenarios.KindName{"link", "nats"} // relay others' traffic, or speak no HTTP there
	for _, k := range Data() {
		want := 1
		if slices.Contains(two, k.Name) {
			want = 2
		}
		if k.Facts.Ports != want {
			t.Errorf("a %s listens at %d ports, want %d", k.Name, k.Facts.Ports, want)
		}
	}
}

func TestEveryKindHasAProgram(t *testing.T) {
	for _, k := range All() {
		planned := k.Process("p")
		made := k.New(
			spec.Process{Name: "p", Kind: k.Name, Facts: k.Facts, Port: 1, Settings: planned.Settings},
			machine.Host{Machine: "m", Dir: t.TempDir(), Runner: &child.Runner{}, Log: child.NewSyncWriter(&bytes.Buffer{})},
		)
		_, counts := made.(machine.Counter)
		if !counts && len(k.Facts.Counters) > 0 {
			t.Errorf("%s names counters and tells none", k.Name)
		}
		if k.Name == "mail" && counts {
			t.Errorf("a %s counts, and has nothing to count", k.Name)
		}
		_, reads := made.(machine.RowReader)
		_, tells := made.(machine.LagReporter)
		if reads != k.Facts.Database || tells != k.Facts.Database {
			t.Errorf("%s is a database: %v; reads rows: %v, tells lag: %v", k.Name, k.Facts.Database, reads, tells)
		}
		if _, seeds := made.(machine.Seeder); seeds != k.Facts.Seeds {
			t.Errorf("a command may make %s's data: %v; it is a Seeder: %v", k.Name, k.Facts.Seeds, seeds)
		}
		made.Close()
	}
}

// Who says that its counters can be read from outside has what reads them, and starts
// nothing by it.
func TestKindsThatAttach(t *testing.T) {
	var attach []scenarios.KindName
	for _, k := range All() {
		if (k.Attach != nil) != (k.Attaches || k.Service) {
			t.Errorf("%s: attaches: %v, and its code can: %v", k.Name, k.Attaches, k.Attach != nil)
		}
		if k.Attach == nil {
			continue
		}
		attach = append(attach, k.Name)
		p := spec.Process{Name: "p", Kind: k.Name, Facts: k.Facts, Address: "db", Port: 1, Service: &scenarios.Service{Image: "x"}}
		made, err := k.Attach(p)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		if _, err := made.Command(t.Context()); !errors.Is(err, machine.ErrOnlyAsked) {
			t.Errorf("%s: what is only asked can be started: %v", k.Name, err)
		}
		_, counts := made.(machine.Counter)
		_, reads := made.(machine.RowReader)
		if !counts || reads != k.Facts.Database {
			t.Errorf("%s: counts: %v, reads rows: %v", k.Name, counts, reads)
		}
		made.Close()
	}
	if want := []scenarios.KindName{"postgres", "service", "valkey"}; !slices.Equal(attach, want) {
		t.Errorf("these attach: %v, want %v", attach, want)
	}
}

// What a machine asks of some programs alone is there under its right name.
func TestProgramsThatDoMore(t *testing.T) {
	database, isAll := find(t, "postgres").New(spec.Process{}, machine.Host{}).(interface {
		machine.Preparer
		machine.Stopper
		machine.Worker
	})
	if !isAll {
		t.Fatal("the database does not prepare itself, stop or tell its work")
	}
	if signal := database.StopSignal(); signal != syscall.SIGINT {
		t.Errorf("the database stops by %v, which waits for clients", signal)
	}
	if _, tells := find(t, "valkey").New(spec.Process{}, machine.Host{}).(machine.Worker); !tells {
		t.Error("the cache does not tell its work")
	}
}
