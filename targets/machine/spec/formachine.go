// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"strconv"

	"headroom/scenarios"
)

// ownHost is where a process finds the others of its own machine.
const ownHost = "127.0.0.1"

// ForMachine builds the Spec of machine m of topology t: every link "machine/process"
// becomes the host:port behind it. host names another machine as the stage's network
// knows it. The error names a link that leads nowhere. datasetDir is the folder,
// inside the machine, of the dataset that a seeded process begins with. local is nil
// where the machine has its host to itself. A machine that runs an image of the
// user's own has its name in the network for an address: others ask it from outside.
func ForMachine(t scenarios.Topology, m scenarios.Machine, host func(machine string) string, nonce string, datasetDir func(scenarios.Process) string, local *Local) (Spec, error) {
	s := Spec{Machine: m.Name, Nonce: nonce, Local: local}
	address := ""
	if local != nil {
		address = local.Address
	} else if _, foreign := m.Foreign(); foreign {
		address = host(m.Name)
	}
	at := func(machine string) string {
		if machine == m.Name {
			return cmp.Or(address, ownHost)
		}
		return host(machine)
	}
	copy, copies := t.CopyOf(m)
	for _, p := range m.Processes {
		process := Process{
			Name: p.Name, Kind: p.Kind, Address: address, Port: p.Port, Settings: p.Settings,
			CopyNumber: copy, CopyCount: copies, NodeID: t.Index(m.Name),
		}
		if d, begins := t.DatasetOf(m, p); begins {
			process.Dataset = &Dataset{Dir: datasetDir(p), Key: d.Key()}
		}
		for _, link := range p.Links {
			addresses, err := resolve(t, link.To, at)
			if err != nil {
				return Spec{}, fmt.Errorf("link %s of %s/%s: %w", link.Role, m.Name, p.Name, err)
			}
			if process.Links == nil {
				process.Links = make(map[scenarios.Role][]string, len(p.Links))
			}
			process.Links[link.Role] = append(process.Links[link.Role], addresses...)
		}
		if p.Service != nil {
			service := *p.Service
			service.Env = service.EnvAt(process.Links)
			process.Service = &service
		}
		s.Processes = append(s.Processes, process)
	}
	return s, nil
}

// InMachine is the folder of a process's dataset, on a machine that has its host to
// itself.
func InMachine(p scenarios.Process) string { return path.Join(DatasetDir, p.Name) }

// ForSeed is the Spec of a machine that makes a dataset in a folder, and ends. A service
// counts nothing meanwhile.
func ForSeed(d scenarios.Dataset, dir, nonce string, local *Local) Spec {
	p := d.Process
	process := Process{Name: p.Name, Kind: p.Kind, Port: p.Port, Settings: p.Settings, CopyNumber: 1, CopyCount: 1}
	if local != nil {
		process.Address = local.Address
	}
	if p.Service != nil {
		service := *p.Service
		service.Env, service.Counters, service.Attach = service.EnvAt(nil), nil, ""
		process.Service = &service
	}
	return Spec{
		Machine: "seed", Nonce: nonce, Local: local, Processes: []Process{process},
		Seed: &Seed{Dir: dir, Key: d.Key(), Command: p.Seed},
	}
}

// EmptyRemedy is what helps when a process is not ready while its data are made, to stand
// behind an error; "" where its port is all that is asked for.
func EmptyRemedy(service *scenarios.Service) string {
	if service == nil || service.Ready.TCP {
		return ""
	}
	return "; while its data are made the process must get ready before its data are there: ready: {tcp: yes}"
}

func resolve(t scenarios.Topology, to []string, host func(machine string) string) ([]string, error) {
	addresses := make([]string, 0, len(to))
	for _, target := range to {
		found, err := t.Find(target)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, net.JoinHostPort(host(found.Machine.Name), strconv.Itoa(found.Process.Port)))
	}
	return addresses, nil
}
