// SPDX-License-Identifier: Apache-2.0

// Package haproxy is the kind of process that runs HAProxy.
package haproxy

import (
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// Balance is what an HAProxy may be told.
var Balance = scenarios.Enum("balance", "who gets the next request", "roundrobin", "leastconn")

// Kind is a balancer of HTTP requests. Requests for /api/orders, /api/users and
// /api/search go to their own backends where there are any.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "haproxy", Port: 8080,
			Facts: scenarios.Facts{
				Label: "HAProxy", About: "a balancer of HTTP requests", Keeps: scenarios.KeepsNothing, Ports: 1, Managed: "balancer",
				Server: &scenarios.Server{Program: "haproxy", Debian: "haproxy", Install: "haproxy",
					Versions: []string{"haproxy"}, Alters: "allocations"},
				Speaks:   []scenarios.Protocol{scenarios.ProtocolHTTP, scenarios.ProtocolOrigin},
				Counters: []scenarios.Counter{{Key: "queue", Meaning: scenarios.MeaningWaitingServer}},
			},
			Settings: []scenarios.SettingSpec{Balance.SettingSpec},
			Links: []scenarios.LinkSpec{
				{Role: scenarios.RoleBackends, Needs: scenarios.ProtocolOrigin, Required: true, Many: true, About: "who answers"},
				{Role: scenarios.RoleOrders, Needs: scenarios.ProtocolOrigin, Many: true, About: "who answers /api/orders, if others do"},
				{Role: scenarios.RoleUsers, Needs: scenarios.ProtocolOrigin, Many: true, About: "who answers /api/users, if others do"},
				{Role: scenarios.RoleSearch, Needs: scenarios.ProtocolOrigin, Many: true, About: "who answers /api/search, if others do"},
			},
		},
		New:    func(p spec.Process, h machine.Host) machine.Program { return &server{spec: p, dir: h.Dir} },
		Server: &machine.Server{Find: find, Version: machine.VersionBy("-v")},
	}
}
