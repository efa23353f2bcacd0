// SPDX-License-Identifier: Apache-2.0

// Package mail is the kind of process that stands for a mail provider: it answers
// after a stated delay.
package mail

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// Delay is what a mail provider may be told.
var Delay = scenarios.Duration("delay", 80*time.Millisecond, 0, 24*time.Hour, "until a mail is answered")

// Kind stands for a mail provider, which counts nothing.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "mail", Port: 8025,
			Facts: scenarios.Facts{
				Label: "mail", About: "stands for a mail provider", Keeps: scenarios.KeepsNothing, Ports: 1, EffectsOf: "orders",
				Speaks: []scenarios.Protocol{scenarios.ProtocolMail, scenarios.ProtocolEffects},
			},
			Settings: []scenarios.SettingSpec{Delay.SettingSpec},
		},
		New: machine.NewApp,
	}
}
