// SPDX-License-Identifier: Apache-2.0

// Package memcached is the kind of process that runs memcached.
package memcached

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// The settings of a memcached.
var (
	// Memcached takes whole MB, and at least twice its largest item, which is of 32 MB.
	Memory  = scenarios.Size("memory", "256MB", "beyond it the pages that were used longest ago go").From("64MB", "1MB")
	Threads = scenarios.Int("threads", 2, 1, 64, "that answer")
)

// Kind is a cache in memory that keeps values under names, and nothing else.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "memcached", Port: 11211,
			Facts: scenarios.Facts{
				Label: "memcached", About: "a cache in memory that keeps pages under names; no marks, no scripts", Keeps: scenarios.KeepsData, Ports: 1,
				Server: &scenarios.Server{Program: "memcached", Debian: "memcached", Install: "memcached",
					Versions: []string{"memcached"}, Alters: "cache commands"},
				Speaks: []scenarios.Protocol{scenarios.ProtocolMemcached},
				Counters: []scenarios.Counter{
					{Key: "hits", Meaning: scenarios.MeaningCacheHits, Total: true},
					{Key: "misses", Meaning: scenarios.MeaningCacheMisses, Total: true},
				},
			},
			Settings: []scenarios.SettingSpec{Memory.SettingSpec, Threads.SettingSpec},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return &server{spec: p, dir: h.Dir} },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("--version")},
	}
}
