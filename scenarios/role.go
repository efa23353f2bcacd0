// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// Role is what a process takes another one for: its kind names the roles of its
// links, and of a service the scenario file.
type Role string

// The roles that the kinds name.
const (
	RoleDatabase Role = "database" // several are shards
	RoleReplicas Role = "replicas" // of a shop: where it may read
	RolePrimary  Role = "primary"  // of a database: the one that it follows
	RoleCache    Role = "cache"
	RolePages    Role = "pages" // of a shop: a cache of pages that knows nothing else
	RoleQueue    Role = "queue"
	RoleMail     Role = "mail"
	RoleEdges    Role = "edges"    // of a shop: whose pages it purges
	RoleBackends Role = "backends" // of a balancer
	RoleOrders   Role = "orders"   // of a balancer: backends for /api/orders alone
	RoleUsers    Role = "users"    // for /api/users alone
	RoleSearch   Role = "search"   // for /api/search alone
	RoleUpstream Role = "upstream" // of a gateway
	RoleOrigin   Role = "origin"   // of an edge
	RoleTo       Role = "to"       // of a link: its far side
)

// Linked says whether the process has a link of that role.
func (p Process) Linked(role Role) bool {
	return slices.ContainsFunc(p.Links, func(l Link) bool { return l.Role == role })
}

// Targets are what the process's link in a role leads to, each as
// machine/process.
func (p Process) Targets(role Role) []string {
	for _, l := range p.Links {
		if l.Role == role {
			return l.To
		}
	}
	return nil
}

// talksTo are the targets of all links, in their order.
func (p Process) talksTo() []string {
	var all []string
	for _, l := range p.Links {
		all = append(all, l.To...)
	}
	return all
}

// IsReplica says whether the process is a database that follows another one. What a
// service calls its roles says nothing of what the service is.
func (p Process) IsReplica() bool { return p.Service == nil && p.Linked(RolePrimary) }
