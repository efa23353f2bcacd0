// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
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

// The quota of an external machine in CPUs of the host. An external machine is no
// part of the comparison, so it must not be the bottleneck.
const (
	// ExternalCPUs is the quota of a system that mostly waits, such as a mail provider.
	ExternalCPUs = 0.1
	// LinkCPUs is the quota of a machine that relays. Every byte passes it: on two
	// cores a link took 0.33 ms of CPU time for each request of phase 6's mix.
	LinkCPUs = 0.25
)

// QuotaCPUs is the quota of a machine at a scale, in CPUs of the host.
func (m Machine) QuotaCPUs(unitCPUs float64) float64 {
	if !m.External {
		return m.VCPU * unitCPUs * cmp.Or(m.QuotaShare, 1)
	}
	if m.Relays() {
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
	links := map[string]node{} // "machine/process", "machine/process role" and "machine/process seed" -> where it was said
	for _, f := range machines.fields() {
		for _, m := range readMachines(f.key, f.value, links) {
			if i := t.Index(m.Name); i >= 0 {
				f.value.fail("machine %s of %q has the name of a machine of %q, as copies are numbered: give one of them another name", m.Name, f.key, t.Machines[i].Group)
			}
			t.Machines = append(t.Machines, m)
		}
	}
	if len(t.Machines) == 0 {
		machines.fail("a topology needs at least one machine")
		return t
	}
	t.expandLinks(links, n.doc.kinds)
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

// AgentPort is where a machine's agent listens. No process may have it.
const AgentPort = 9900

// maxPort leaves every process a port after its own: some processes answer questions
// about themselves there.
const maxPort = 65534

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
	ports := map[int]string{AgentPort: "the machine's agent"}
	for _, f := range fields {
		p := readProcess(group, f.key, f.value, links)
		for _, port := range p.ports() {
			other, taken := ports[port]
			if port == AgentPort && p.Foreign() {
				taken = false // no agent runs in an image of the user's own
			}
			if taken {
				f.value.fail("port %d is taken by %s on the same machine: give one of them another", port, other)
			}
			ports[port] = p.Name
		}
		out = append(out, p)
	}
	if i := slices.IndexFunc(out, Process.Foreign); i >= 0 && len(out) > 1 {
		n.fail("a machine with an image of its own runs that alone: put %s on a machine of its own", out[i].Name)
	}
	return out
}

// ports are the ports that a process takes: its own, and for some kinds the ones
// after it. A process of an unknown kind has none.
func (p Process) ports() []int {
	if p.Port == 0 {
		return nil
	}
	ports := make([]int, max(1, p.Facts.Ports))
	for i := range ports {
		ports[i] = p.Port + i
	}
	return ports
}

// readProcess reads one process: settings, links and the seed stand side by side, as
// the kind knows which is which.
func readProcess(group, name string, n node, links map[string]node) Process {
	at, kindName := n, KindName(name)
	given := n.fields()
	for _, f := range given {
		if f.key == "kind" {
			at, kindName = f.value, KindName(f.value.text())
		}
	}
	kind, ok := KindOf(n.doc.kinds, kindName)
	if !ok {
		at.fail("unknown process %q%s", kindName, nearest(kindName, kindNames(n.doc.kinds)))
		return Process{Name: name}
	}
	if kind.Service {
		return readService(kind, group, name, n, given, links)
	}
	links[group+"/"+name] = n
	p := kind.Process(name)
	for _, f := range given {
		setting, isSetting := kind.Setting(f.key)
		_, isLink := kind.Link(Role(f.key))
		switch {
		case f.key == "kind":
		case f.key == "port":
			p.Port = f.value.integer(minPort, maxPort)
		case f.key == "seed":
			p.Seed = readSeed(kind, f.value)
			links[group+"/"+name+" seed"] = f.value
		case f.key == "seed_files":
			p.SeedFiles = readSeedFiles(kind, f.value)
		case isSetting:
			p.Settings[f.key] = readSetting(setting, f.value)
		case isLink:
			p.Links = append(p.Links, Link{Role: Role(f.key), To: []string{f.value.text()}})
			links[group+"/"+name+" "+f.key] = f.value
		default:
			f.value.fail("unknown key %q of a %s%s", f.key, kind.Name, nearest(f.key, kind.keys()))
		}
	}
	seedAt, seeded := links[group+"/"+name+" seed"]
	if len(p.SeedFiles) > 0 && !seeded {
		n.fail("seed_files are for a seed's command: write seed too, or leave seed_files out")
	}
	if seeded && p.IsReplica() {
		seedAt.fail("a standby begins as its primary: leave out seed, or %s", RolePrimary)
	}
	for _, link := range kind.Links {
		if link.Required && !p.Linked(link.Role) {
			n.fail("a %s needs %q: the process that it talks to, for example %s: machine/process", kind.Name, link.Role, link.Role)
		}
	}
	return p
}

// keys are all that a file may say of a process of the kind.
func (k Kind) keys() []string {
	keys := []string{"kind", "port"}
	if k.Facts.Seeds {
		keys = append(keys, "seed", "seed_files")
	}
	for _, s := range k.Settings {
		keys = append(keys, s.Name)
	}
	for _, l := range k.Links {
		keys = append(keys, string(l.Role))
	}
	return keys
}

func readSetting(s SettingSpec, n node) string {
	value, err := s.Read(n.text())
	if err != nil {
		n.fail("%v", err)
		return s.Default // no rule is to complain about it too
	}
	return value
}

// expandLinks replaces every link's "group/process" by the machines that
// stand for it, and complains about links that lead nowhere.
func (t *Topology) expandLinks(said map[string]node, kinds []Kind) {
	for i := range t.Machines {
		machine := &t.Machines[i]
		copy, _ := t.CopyOf(*machine)
		for j := range machine.Processes {
			process := &machine.Processes[j]
			kind, _ := KindOf(kinds, process.Kind) // one that is unknown has no links
			for k := range process.Links {
				link := &process.Links[k]
				spec, _ := kind.Link(link.Role)
				if kind.Service {
					spec = LinkSpec{Role: link.Role, Many: true}
				}
				n := said[machine.Group+"/"+process.Name+" "+string(link.Role)]
				link.To = t.checkLink(link.To[0], copy-1, spec, n)
			}
			if wrong := kind.BrokenRule(*process); wrong != "" && copy == 1 { // complaints about the others would repeat the first's
				at := said[machine.Group+"/"+process.Name]
				at.fail("%s", wrong)
			}
		}
	}
}

// checkLink returns the machines' processes that a link's target stands for. copy
// says which of its group the linking machine is, from 0.
func (t *Topology) checkLink(target string, copy int, spec LinkSpec, n node) []string {
	found := t.match(target)
	if len(found) == 0 {
		n.fail("there is no process %q%s", target, nearest(target, t.Addresses()))
		return nil
	}
	if spec.Pairwise {
		found = found[copy%len(found) : copy%len(found)+1]
	}
	if len(found) > 1 && !spec.Many {
		n.fail("%q stands for %d processes, and this link takes one", target, len(found))
	}
	var names []string
	for _, f := range found {
		if spec.Distinct && len(found) > 1 && f.Process.Facts.Keeps != KeepsData {
			n.fail("%q stands for %d processes that keep no data of their own: name what holds the parts", target, len(found))
			return nil
		}
		if spec.Distinct && len(found) > 1 && len(f.Process.Seed) > 0 && !f.Process.HoldsPart() {
			n.fail("%q stands for %d processes that each begin with all of the data: name {copy} in their seed, so that each makes its own part", target, len(found))
			return nil
		}
		if spec.Needs != "" && !f.Process.Speaks(spec.Needs) {
			n.fail("%q is a %s, which does not speak %s; these do: %s", target, f.Process.Kind, spec.Needs, n.doc.speakers(spec.Needs))
		}
		names = append(names, f.Address())
	}
	return names
}

// speakers are the kinds that speak a protocol, for people.
func (d *document) speakers(protocol Protocol) string {
	var names []string
	for _, k := range d.kinds {
		if slices.Contains(k.Facts.Speaks, protocol) {
			names = append(names, string(k.Name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// kindsOf are the kinds of the topologies' processes, by name, each once.
func (d *document) kindsOf(topologies ...Topology) []Kind {
	var used []Kind
	for _, k := range d.kinds {
		runs := func(at PlacedProcess) bool { return at.Process.Kind == k.Name }
		if slices.ContainsFunc(topologies, func(t Topology) bool { return len(t.processesWhere(runs)) > 0 }) {
			used = append(used, k)
		}
	}
	slices.SortFunc(used, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	return used
}
