// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// PlacedProcess is a process and the machine that it runs on.
type PlacedProcess struct {
	Machine Machine
	Process Process
}

// Address is machine/process, as links name it.
func (at PlacedProcess) Address() string { return at.Machine.Name + "/" + at.Process.Name }

// Group is machines that are copies of one another: app-1 ... app-5 are one.
type Group struct {
	Machine // the first of them
	Copies  int
}

// Processes are the topology's processes, in start order.
func (t Topology) Processes() []PlacedProcess {
	var all []PlacedProcess
	for _, m := range t.Machines {
		for _, p := range m.Processes {
			all = append(all, PlacedProcess{m, p})
		}
	}
	return all
}

// HoldsAnswers says whether one of the processes answers for those behind it.
func (t Topology) HoldsAnswers() bool { return slices.ContainsFunc(t.Machines, Machine.HoldsAnswers) }

// Facts are the facts of the process with this machine's name and this name; false
// where there is none.
func (t Topology) Facts(machine, process string) (Facts, bool) {
	i := t.Index(machine)
	if i < 0 {
		return Facts{}, false
	}
	p, ok := t.Machines[i].Process(process)
	return p.Facts, ok
}

// processesWhere are the processes that a rule holds for.
func (t Topology) processesWhere(holds func(PlacedProcess) bool) []PlacedProcess {
	return slices.DeleteFunc(t.Processes(), func(at PlacedProcess) bool { return !holds(at) })
}

// ProcessesSpeaking are the processes that speak a protocol, in start order.
func (t Topology) ProcessesSpeaking(protocol Protocol) []PlacedProcess {
	return t.processesWhere(func(at PlacedProcess) bool { return at.Process.Speaks(protocol) })
}

// ProcessesWithSetting are the processes that have a setting, in start order.
func (t Topology) ProcessesWithSetting(setting string) []PlacedProcess {
	return t.processesWhere(func(at PlacedProcess) bool {
		_, has := at.Process.Settings[setting]
		return has
	})
}

// ProcessesCounting are the processes that count something, in start order.
func (t Topology) ProcessesCounting(meaning Meaning) []PlacedProcess {
	return t.processesWhere(func(at PlacedProcess) bool { return at.Process.Facts.Counts(meaning) })
}

// Databases are all processes that keep rows, replicas too.
func (t Topology) Databases() []PlacedProcess {
	return t.processesWhere(func(at PlacedProcess) bool { return at.Process.Facts.Database })
}

// ShardDatabases are the databases that each hold a part of the rows, in their
// order. Their replicas are not among them.
func (t Topology) ShardDatabases() []PlacedProcess {
	return t.processesWhere(func(at PlacedProcess) bool { return at.Process.Facts.Database && at.Process.HoldsPart() })
}

// Find returns the process that "machine/process" names.
func (t Topology) Find(address string) (PlacedProcess, error) {
	machine, process, isAddress := strings.Cut(address, "/")
	if !isAddress {
		return PlacedProcess{}, fmt.Errorf("%q is not machine/process", address)
	}
	i := t.Index(machine)
	if i < 0 {
		return PlacedProcess{}, fmt.Errorf("no machine %q", machine)
	}
	p, ok := t.Machines[i].Process(process)
	if !ok {
		return PlacedProcess{}, fmt.Errorf("machine %s has no process %q", machine, process)
	}
	return PlacedProcess{t.Machines[i], p}, nil
}

// match finds the processes that "machine/process" or "group/process" names.
func (t Topology) match(address string) []PlacedProcess {
	where, name, _ := strings.Cut(address, "/")
	return t.processesWhere(func(at PlacedProcess) bool {
		return (at.Machine.Name == where || at.Machine.GroupName() == where) && at.Process.Name == name
	})
}

// Addresses are group/process of all processes, in start order, copies once.
func (t Topology) Addresses() []string {
	var out []string
	for _, at := range t.Processes() {
		if name := at.Machine.GroupName() + "/" + at.Process.Name; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Index is a machine's place in the topology, from 0; -1 where there is none of
// that name.
func (t Topology) Index(machine string) int {
	return slices.IndexFunc(t.Machines, func(m Machine) bool { return m.Name == machine })
}

// MachinesOf are the machines of a group, in start order.
func (t Topology) MachinesOf(group string) []Machine {
	var out []Machine
	for _, m := range t.Machines {
		if m.GroupName() == group {
			out = append(out, m)
		}
	}
	return out
}

// CopyOf says which of its group a machine is, from 1, and of how many.
func (t Topology) CopyOf(m Machine) (copy, copies int) {
	alike := t.MachinesOf(m.GroupName())
	return 1 + slices.IndexFunc(alike, func(other Machine) bool { return other.Name == m.Name }), len(alike)
}

// Groups are the topology's groups of machines, in start order of their first.
func (t Topology) Groups() []Group {
	var out []Group
	for _, m := range t.Machines {
		i := slices.IndexFunc(out, func(g Group) bool { return g.GroupName() == m.GroupName() })
		if i < 0 {
			i = len(out)
			out = append(out, Group{Machine: m})
		}
		out[i].Copies++
	}
	return out
}

// PricedGroups are the groups that are paid for: all but external ones.
func (t Topology) PricedGroups() []Group {
	return slices.DeleteFunc(t.Groups(), func(g Group) bool { return g.External })
}

// VCPUs is the sum over the priced machines.
func (t Topology) VCPUs() float64 {
	sum := 0.0
	for _, m := range t.Machines {
		sum += m.VCPU
	}
	return sum
}

// ExternalQuotaCPUs is what all external machines together may use, in CPUs of
// the host.
func (t Topology) ExternalQuotaCPUs() float64 {
	sum := 0.0
	for _, m := range t.Machines {
		if m.External {
			sum += m.QuotaCPUs(0)
		}
	}
	return sum
}

// GroupName is the name that the machine and its copies share.
func (m Machine) GroupName() string {
	if m.Group == "" {
		return m.Name
	}
	return m.Group
}

// Process returns the machine's process of that name.
func (m Machine) Process(name string) (p Process, ok bool) {
	i := slices.IndexFunc(m.Processes, func(p Process) bool { return p.Name == name })
	if i < 0 {
		return Process{}, false
	}
	return m.Processes[i], true
}
