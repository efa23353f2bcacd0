// SPDX-License-Identifier: Apache-2.0

// Package service is the kind of process that is the user's own: the scenario file
// says what runs. A command of this computer is run here. An image of the user's own
// runs in a container of its own, and is only asked.
package service

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// Kind is any program of the user's. The scenario file says the facts of each process
// of the kind.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "service", Service: true,
			Facts: scenarios.Facts{Label: "a service", About: "a service of your own: an image, a Dockerfile, or a command of this computer", Seeds: true, Ports: 1},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return &program{prober: newProber(p), host: h} },
		Attach: func(p spec.Process) (machine.Program, error) { return &attached{newProber(p)}, nil },
	}
}
