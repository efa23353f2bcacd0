// SPDX-License-Identifier: Apache-2.0

// Package varnish is the kind of process that runs Varnish.
package varnish

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// The settings of a Varnish.
var (
	AssetsTTL = scenarios.Duration("assets_ttl", 24*time.Hour, 0, 24*time.Hour, "how long it keeps assets")
	APITTL    = scenarios.Duration("api_ttl", 2*time.Second, 0, 24*time.Hour, "how long it keeps public API answers")
	Storage   = scenarios.Size("storage", "64MB", "memory for what it keeps")
)

// Kind is an edge of a CDN.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "varnish", Port: 8082,
			Facts: scenarios.Facts{
				Label: "Varnish", About: "an edge of a CDN; a copy begins with an empty cache of its own", Keeps: scenarios.KeepsNothing, HoldsAnswers: true, Ports: 1, Managed: "CDN",
				Server: &scenarios.Server{Program: "varnishd", Debian: "varnish", Install: "varnish",
					Versions: []string{"varnish"}, Alters: "origin requests"},
				Speaks: []scenarios.Protocol{scenarios.ProtocolHTTP, scenarios.ProtocolPurge},
				Counters: []scenarios.Counter{
					{Key: "hits", Meaning: scenarios.MeaningEdgeHits, Total: true},
					{Key: "misses", Meaning: scenarios.MeaningEdgeMisses, Total: true},
					{Key: "backend_requests", Meaning: scenarios.MeaningOriginRequests, Total: true},
				},
			},
			Settings: []scenarios.SettingSpec{APITTL.SettingSpec, AssetsTTL.SettingSpec, Storage.SettingSpec},
			Links:    []scenarios.LinkSpec{{Role: scenarios.RoleOrigin, Needs: scenarios.ProtocolOrigin, Required: true, About: "what it does not have"}},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return newServer(p, h) },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("-V")},
	}
}
