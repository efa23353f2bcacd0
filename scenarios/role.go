package scenarios

// Role is what a process takes another one for: its kind names the roles of its
// links.
type Role string

// The roles that the kinds name.
const (
	RoleDatabase Role = "database" // of a shop: several are shards
	RoleReplicas Role = "replicas" // of a shop: where it may read
	RolePrimary  Role = "primary"  // of a database: the one that it follows
	RoleCache    Role = "cache"
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
