// SPDX-License-Identifier: Apache-2.0

// Package link is the kind of process that stands for distance: TCP with a delay,
// which is the package targets/link.
package link

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// The settings of a link. Two seconds are more than any distance on earth, by
// satellite and back.
var (
	Delay     = scenarios.Duration("delay", 40*time.Millisecond, 0, 2*time.Second, "one way")
	Jitter    = scenarios.Duration("jitter", 0, 0, 2*time.Second, "added to the delay, from 0 to this, uniform")
	Bandwidth = scenarios.Size("bandwidth", "1GB", "a second, each way")
)

// Kind is distance. A link counts connections, connections_total, bytes_total,
// dial_errors_total and refused_total (too many connections).
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "link", Port: 9000,
			Facts: scenarios.Facts{
				Label: "a link", About: "distance: TCP with a delay", Keeps: scenarios.KeepsNothing, Ports: 2, Relays: true,
				Speaks: []scenarios.Protocol{scenarios.ProtocolHTTP, scenarios.ProtocolOrigin}, // of whom it leads to
			},
			Settings: []scenarios.SettingSpec{Bandwidth.SettingSpec, Delay.SettingSpec, Jitter.SettingSpec},
			Links:    []scenarios.LinkSpec{{Role: scenarios.RoleTo, Needs: scenarios.ProtocolHTTP, Required: true, About: "its far side"}},
		},
		New: machine.NewCountedApp,
	}
}
