// SPDX-License-Identifier: Apache-2.0

// Package valkey is the kind of process that runs Valkey, or Redis.
package valkey

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// MaxMemory is what a Valkey may be told.
var MaxMemory = scenarios.Size("maxmemory", "256MB", "beyond it the pages that were used longest ago go")

// Kind is a cache in memory.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "valkey", Port: 6379, Attaches: true,
			Facts: scenarios.Facts{
				Label: "Valkey", About: "a cache in memory; nothing of it is on disk", Keeps: scenarios.KeepsData, Ports: 1,
				Server: &scenarios.Server{Program: "valkey-server or redis-server", Debian: "valkey-server", Install: "valkey-server (or redis-server)",
					Versions: []string{"valkey"}, Alters: "cache commands"},
				Speaks: []scenarios.Protocol{scenarios.ProtocolRedis},
				Counters: []scenarios.Counter{
					{Key: "hits", Meaning: scenarios.MeaningCacheHits, Total: true},
					{Key: "misses", Meaning: scenarios.MeaningCacheMisses, Total: true},
				},
			},
			Settings: []scenarios.SettingSpec{MaxMemory.SettingSpec},
		},
		New:    func(p spec.Process, _ machine.Host) machine.Program { return newServer(p) },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("--version")},
		Attach: func(p spec.Process) (machine.Program, error) { return attached{newServer(p)}, nil },
	}
}
