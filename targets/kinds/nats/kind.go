// SPDX-License-Identifier: Apache-2.0

// Package nats is the kind of process that runs NATS with JetStream.
package nats

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// Kind is a queue on disk.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "nats", Port: 4222,
			Facts: scenarios.Facts{
				Label: "NATS", About: "a queue on disk, with JetStream", Keeps: scenarios.KeepsQueue, Stores: true, Ports: 2, Managed: "queue",
				Server: &scenarios.Server{Program: "nats-server", Debian: "nats-server", Install: "nats-server",
					Versions: []string{"nats"}, Alters: "messages"},
				Speaks: []scenarios.Protocol{scenarios.ProtocolJetStream},
				Counters: []scenarios.Counter{
					{Key: "published", Meaning: scenarios.MeaningMessages, Total: true},
					{Key: "pending", Meaning: scenarios.MeaningQueued},
					{Key: "ack_pending", Meaning: scenarios.MeaningQueued},
				},
			},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return newServer(p, h) },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("--version")},
	}
}
