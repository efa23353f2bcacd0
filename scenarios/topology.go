// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// size is a priced size of machine.
type size struct {
	vcpu      float64
	memoryGiB float64
}

// sizes are the machines that a topology can be made of. The price book prices
// them by the same names.
var sizes = map[string]size{
	"small":  {2, 4},
	"medium": {2, 8},
	"large":  {4, 16},
	"xlarge": {8, 32},
}

// The quota of an external machine in CPUs of the host: it is no part of what
// is compared, and must not be what runs out.
const (
	// ExternalCPUs is that of a system which mostly waits, such as a mail
	// provider.
	ExternalCPUs = 0.1
	// LinkCPUs is that of a machine with links. Every byte passes them: on two
	// cores one took 0.33 ms of CPU a request of phase 6's mix.
	LinkCPUs = 0.25
)

// QuotaCPUs is the quota of a machine at a scale, in CPUs of the host.
func (m Machine) QuotaCPUs(unitCPUs float64) float64 {
	if !m.External {
		return m.VCPU * unitCPUs * cmp.Or(m.QuotaShare, 1)
	}
	if m.Runs(KindLink) {
		return LinkCPUs
	}
	return ExternalCPUs
}

func readTopology(n node) Topology {
	m := n.mapping("label", "entry", "machines")
	t := Topology{}
	if v, ok := n.need(m, "label"); ok {
		t.Label = v.text()
	}
	machines, ok := n.need(m, "machines")
	if !ok {
		return t
	}
	links := map[string]node{} // "machine/process", and "machine/process role" -> where it was said
	for _, f := range machines.fields() {
		t.Machines = append(t.Machines, readMachines(f.key, f.value, links)...)
	}
	if len(t.Machines) == 0 {
		machines.fail("a topology needs at least one machine")
		return t
	}
	t.expandLinks(links)
	if sorted, err := startOrder(t.Machines); err != nil {
		machines.fail("%v", err)
	} else {
		t.Machines = sorted
	}
	if v, ok := n.need(m, "entry"); ok {
		t.readEntry(v)
	}
	return t
}

var machineName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// readMachines reads one entry under machines and expands its copies.
func readMachines(name string, n node, links map[string]node) []Machine {
	if !machineName.MatchString(name) {
		n.fail("%q is no machine name: use lower-case letters, digits and dashes", name)
	}
	m := n.mapping("size", "copies", "quota", "external", "processes")
	prototype := Machine{Group: name}
	if v, ok := m["external"]; ok {
		prototype.External = v.oneOf("true", "false") == "true"
	}
	if v, ok := m["size"]; ok {
		prototype.Size = v.oneOf(slices.Sorted(maps.Keys(sizes))...)
		prototype.VCPU, prototype.MemoryGiB = sizes[prototype.Size].vcpu, sizes[prototype.Size].memoryGiB
		if prototype.External {
			v.fail("an external machine is somebody else's: it has no size and no price")
		}
	} else if prototype.External {
		prototype.MemoryGiB = 1
	} else {
		n.fail(`"size" is missing: one of %s`, strings.Join(slices.Sorted(maps.Keys(sizes)), ", "))
	}
	if v, ok := m["quota"]; ok {
		prototype.QuotaShare = v.percent()
		if prototype.External {
			v.fail("an external machine is somebody else's: it has no quota of its size")
		}
	}
	copies := 1
	if v, ok := m["copies"]; ok {
		copies = v.integer(1, 64)
	}
	processes, _ := n.need(m, "processes")
	var out []Machine
	for i := 1; i <= copies; i++ {
		machine := prototype
		machine.Name = name
		if copies > 1 {
			machine.Name = fmt.Sprintf("%s-%d", name, i)
		}
		// Complaints about the processes of copies would repeat the first's.
		if i > 1 {
			machine.Processes = cloneProcesses(out[0].Processes)
		} else if processes.doc != nil {
			machine.Processes = readProcesses(machine.Group, processes, links)
		}
		out = append(out, machine)
	}
	return out
}

func cloneProcesses(processes []Process) []Process {
	out := slices.Clone(processes)
	for i := range out {
		out[i].Links = slices.Clone(out[i].Links)
	}
	return out
}

func readProcesses(group string, n node, links map[string]node) []Process {
	fields := n.fields()
	if len(fields) == 0 {
		n.fail("a machine needs at least one process")
	}
	var out []Process
	ports := map[int]string{}
	for _, f := range fields {
		p := readProcess(group, f.key, f.value, links)
		if other, taken := ports[p.Port]; taken && p.Port != 0 {
			f.value.fail("port %d is taken by %s on the same machine: give one of them another", p.Port, other)
		}
		ports[p.Port] = p.Name
		out = append(out, p)
	}
	return out
}

// readProcess reads one process: settings and links stand side by side, as
// the kind's table knows which is which.
func readProcess(group, name string, n node, links map[string]node) Process {
	var kindNode *node
	given := n.fields()
	kind := Kind(name)
	for _, f := range given {
		if f.key == "kind" {
			kind, kindNode = Kind(f.value.text()), &f.value
		}
	}
	rule, ok := kinds[kind]
	if !ok {
		at := n
		if kindNode != nil {
			at = *kindNode
		}
		at.fail("unknown process %q%s", kind, nearest(kind, Kinds()))
		return Process{Name: name}
	}
	links[group+"/"+name] = n
	p := Process{Name: name, Kind: kind, Port: rule.port, Settings: map[string]string{}}
	for key, s := range rule.settings {
		p.Settings[key] = s.fallback
	}
	known := slices.Collect(maps.Keys(rule.settings))
	for role := range rule.links {
		known = append(known, string(role))
	}
	known = append(known, "kind", "port")
	seen := map[string]bool{}
	for _, f := range given {
		seen[f.key] = true
		switch s, isSetting := rule.settings[f.key]; {
		case f.key == "kind":
		case f.key == "port":
			p.Port = f.value.integer(1024, 65535)
		case isSetting:
			p.Settings[f.key] = readSetting(s, f.value)
		case slices.Contains(known, f.key):
			p.Links = append(p.Links, Link{Role: Role(f.key), To: []string{f.value.text()}})
			links[group+"/"+name+" "+f.key] = f.value
		default:
			f.value.fail("unknown key %q of a %s%s", f.key, kind, nearest(f.key, known))
		}
	}
	for role, link := range rule.links {
		if link.required && !seen[string(role)] {
			n.fail("a %s needs %q: the process that it talks to, for example %s: machine/process", kind, role, role)
		}
	}
	return p
}

var sizeText = regexp.MustCompile(`^[1-9][0-9]*(kB|MB|GB)$`)

func readSetting(s setting, n node) string {
	switch s.typ {
	case "int":
		return strconv.Itoa(n.integer(1, cmp.Or(s.largest, 100_000)))
	case "duration":
		return n.duration(s.least, cmp.Or(s.most, 24*time.Hour)).String()
	case "share":
		text := n.text()
		if text != "0%" {
			n.percent()
		}
		return text
	case "size":
		text := n.text()
		if !sizeText.MatchString(text) {
			n.fail("%q is not a size with its unit: write for example 256MB", text)
		}
		return text
	default:
		return n.oneOf(s.values...)
	}
}

// expandLinks replaces every link's "group/process" by the machines that
// stand for it, and complains about links that lead nowhere.
func (t *Topology) expandLinks(said map[string]node) {
	for i := range t.Machines {
		machine := &t.Machines[i]
		copy, _ := t.CopyOf(*machine)
		for j := range machine.Processes {
			process := &machine.Processes[j]
			for k := range process.Links {
				link := &process.Links[k]
				n := said[machine.Group+"/"+process.Name+" "+string(link.Role)]
				link.To = t.checkLink(link.To[0], copy-1, kinds[process.Kind].links[link.Role], n)
			}
			if check := kinds[process.Kind].check; check != nil && copy == 1 { // complaints about the others would repeat the first's
				if wrong := check(*process); wrong != "" {
					at := said[machine.Group+"/"+process.Name]
					at.fail("%s", wrong)
				}
			}
		}
	}
}

// checkLink returns the machines' processes that a link's target stands for. copy
// says which of its group the linking machine is, from 0.
func (t *Topology) checkLink(target string, copy int, rule linkRule, n node) []string {
	found := t.match(target)
	if len(found) == 0 {
		n.fail("there is no process %q%s", target, nearest(target, t.Addresses()))
		return nil
	}
	if rule.pairwise {
		found = found[copy%len(found) : copy%len(found)+1]
	}
	if len(found) > 1 && !rule.many {
		n.fail("%q stands for %d processes, and this link takes one", target, len(found))
	}
	var names []string
	for _, f := range found {
		if !slices.Contains(rule.kinds, f.Process.Kind) {
			n.fail("%q is a %s; this link takes %v", target, f.Process.Kind, rule.kinds)
		}
		names = append(names, f.Address())
	}
	return names
}
