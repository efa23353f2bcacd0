// SPDX-License-Identifier: Apache-2.0

// Package postgres is the kind of process that runs PostgreSQL.
package postgres

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// The settings of a PostgreSQL.
var (
	Indexes        = scenarios.Enum("indexes", "which indexes the tables have", "all", "primary_keys_only").When(scenarios.Condition{Link: scenarios.RolePrimary, Not: true}) // a replica has its primary's
	MaxConnections = scenarios.Int("max_connections", 100, 1, 100_000, "at once")
	SharedBuffers  = scenarios.Size("shared_buffers", "512MB", "its cache; the default holds all of the shop's data at their usual size")
)

// Kind is PostgreSQL with a database for the application, or a standby of another one.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "postgres", Port: 5432, Attaches: true,
			Facts: scenarios.Facts{
				Label: "PostgreSQL", About: "a database, with what its seed command makes; with a primary it is a streaming replica, a hot standby",
				Keeps: scenarios.KeepsData, Database: true, Stores: true, Seeds: true, Ports: 1,
				SharedMemoryBytes: SharedMemoryBytes,
				Server: &scenarios.Server{Program: "PostgreSQL 15 or newer", Debian: "postgresql-17", Install: "postgresql",
					Versions: []string{"postgresql-", "postgres"}, Alters: "blocks and statement texts"},
				Speaks: []scenarios.Protocol{scenarios.ProtocolPostgreSQL, scenarios.ProtocolReplication},
				Counters: []scenarios.Counter{
					{Key: "statements", Meaning: scenarios.MeaningStatements, Total: true},
					{Key: "statement_ms", Meaning: scenarios.MeaningStatementTime, Total: true, Unit: "ms"},
					{Key: "rows", Meaning: scenarios.MeaningRowsReturned, Total: true},
					{Key: "tuples_read", Meaning: scenarios.MeaningRowsRead, Total: true},
					{Key: "lock_waiters", Meaning: scenarios.MeaningLockWaiters},
				},
			},
			Settings: []scenarios.SettingSpec{Indexes.SettingSpec, MaxConnections.SettingSpec, SharedBuffers.SettingSpec},
			Links:    []scenarios.LinkSpec{{Role: scenarios.RolePrimary, Needs: scenarios.ProtocolReplication, Pairwise: true, About: "the database that it follows"}},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return newServer(p, h) },
		Server: &machine.Server{Find: find, Version: version},
		Attach: attach,
	}
}

// SharedMemoryBytes is what a PostgreSQL needs in /dev/shm, where parallel queries
// share memory.
const SharedMemoryBytes = 256 << 20
