// SPDX-License-Identifier: Apache-2.0

// Package kinds lists the kinds of process that a scenario may have. A kind is a
// folder below this one: kind.go says what the rest of headroom has to know of the
// kind, and the files beside kind.go run it. A further kind is a further folder and a
// line in All; a protocol or a meaning that no kind had is a line in package
// scenarios.
package kinds

import (
	"headroom/scenarios"
	"headroom/targets/kinds/gateway"
	"headroom/targets/kinds/haproxy"
	"headroom/targets/kinds/link"
	"headroom/targets/kinds/mail"
	"headroom/targets/kinds/memcached"
	"headroom/targets/kinds/nats"
	"headroom/targets/kinds/pgbouncer"
	"headroom/targets/kinds/postgres"
	"headroom/targets/kinds/service"
	"headroom/targets/kinds/shop"
	"headroom/targets/kinds/valkey"
	"headroom/targets/kinds/varnish"
	"headroom/targets/kinds/worker"
	"headroom/targets/machine"
)

// All are the kinds, by name.
func All() []machine.Kind {
	return []machine.Kind{
		gateway.Kind(), haproxy.Kind(), link.Kind(), mail.Kind(), memcached.Kind(), nats.Kind(),
		pgbouncer.Kind(), postgres.Kind(), service.Kind(), shop.Kind(), valkey.Kind(), varnish.Kind(), worker.Kind(),
	}
}

// Data are the kinds without their code, as a scenario's parser takes them.
func Data() []scenarios.Kind { return machine.Data(All()) }
