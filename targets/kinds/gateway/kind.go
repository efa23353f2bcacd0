// SPDX-License-Identifier: Apache-2.0

// Package gateway is the kind of process that runs our API gateway, which is the
// package targets/gateway.
package gateway

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// The settings of a gateway. The maximum of RateLimit bounds the sliding limiter's
// memory of one session.
var (
	Limiter    = scenarios.Enum("limiter", "how requests of a user are counted", "sliding", "fixed", "none")
	RateLimit  = scenarios.Int("rate_limit", 100, 1, 100_000, "requests of one user in rate_window").When(limits)
	RateWindow = scenarios.Duration("rate_window", time.Minute, 10*time.Millisecond, 24*time.Hour, "of the rate limit").When(limits)
)

var limits = scenarios.Condition{Setting: "limiter", Is: "none", Not: true}

// Kind is an API gateway. A gateway counts requests_total, limited_total, errors_total
// (no upstream answered), limiter_errors_total (admitted unlimited) and
// sessions_created_total.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "gateway", Port: 8081,
			Facts: scenarios.Facts{
				Label: "the gateway", About: "an API gateway: sessions, rate limits, correlation ids", Keeps: scenarios.KeepsNothing, Ports: 1,
				Speaks: []scenarios.Protocol{scenarios.ProtocolHTTP, scenarios.ProtocolOrigin},
			},
			Settings: []scenarios.SettingSpec{Limiter.SettingSpec, RateLimit.SettingSpec, RateWindow.SettingSpec},
			Links: []scenarios.LinkSpec{
				{Role: scenarios.RoleCache, Needs: scenarios.ProtocolRedis, Required: true, About: "sessions and rates"},
				{Role: scenarios.RoleUpstream, Needs: scenarios.ProtocolOrigin, Required: true, Many: true, About: "who answers"},
			},
		},
		New: machine.NewCountedApp,
	}
}
