// SPDX-License-Identifier: Apache-2.0

// Package pgbouncer is the kind of process that runs PgBouncer.
package pgbouncer

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// The settings of a PgBouncer.
var (
	PoolSize   = scenarios.Int("pool_size", 20, 1, 1000, "connections to the database, opened when they are needed")
	MaxClients = scenarios.Int("max_clients", 1000, 1, 10_000, "connections of clients at once")
)

// Kind is a pool of connections in front of a database.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "pgbouncer", Port: 6432,
			Facts: scenarios.Facts{
				Label: "PgBouncer", About: "a pool of connections in front of a database; many clients share a few", Keeps: scenarios.KeepsNothing, Ports: 1,
				Server: &scenarios.Server{Program: "PgBouncer 1.22 or newer", Debian: "pgbouncer", Install: "pgbouncer",
					Versions: []string{"pgbouncer"}, Alters: "round trips"},
				Speaks:   []scenarios.Protocol{scenarios.ProtocolPostgreSQL},
				Counters: []scenarios.Counter{{Key: "wait_s", Meaning: scenarios.MeaningPoolWait, Total: true, Unit: "s"}},
			},
			Settings: []scenarios.SettingSpec{MaxClients.SettingSpec, PoolSize.SettingSpec},
			Links: []scenarios.LinkSpec{{Role: scenarios.RoleDatabase, Needs: scenarios.ProtocolPostgreSQL, Required: true,
				About: "the database whose connections its clients share"}},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return &pool{spec: p, dir: h.Dir} },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("--version")},
	}
}
