// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KindName is the word for a kind in a scenario file.
type KindName string

// Kind is all that is known of a kind of process before anything runs. It is data
// alone: the code of a kind stands beside its data, below targets/kinds.
type Kind struct {
	Name     KindName      `json:"name"`
	Port     int           `json:"port"` // where a process of the kind listens unless it is told otherwise
	Facts    Facts         `json:"facts"`
	Settings []SettingSpec `json:"settings,omitempty"` // what a process may be told
	Links    []LinkSpec    `json:"links,omitempty"`    // whom a process may talk to
	Rules    []Rule        `json:"rules,omitempty"`    // what goes wrong only in company
	// Service: a scenario file says how processes of the kind run, and what has to be
	// known of them.
	Service bool `json:"service,omitempty"`
	// Attaches: the counters of a program that somebody else started can be read too, by
	// the kind's protocol.
	Attaches bool `json:"attaches,omitempty"`
}

// LinkSpec says what a process may be linked to in a role.
type LinkSpec struct {
	Role     Role     `json:"role"`
	Needs    Protocol `json:"needs"`    // what the other side must speak; "" is anything
	Required bool     `json:"required"` // the process can't do without
	Many     bool     `json:"many"`     // the link may lead to several processes
	// Distinct: several targets are the parts of one whole. So each must keep data of
	// its own, and begin with its own part where a seed makes the data.
	Distinct bool `json:"distinct,omitempty"`
	// Pairwise: copy i talks to target i, counted round where there are fewer.
	Pairwise bool   `json:"pairwise,omitempty"`
	About    string `json:"about"` // what the process takes the other for, for people
}

// Condition is what may be true of a process. All that it states must hold.
type Condition struct {
	Setting string `json:"setting,omitempty"` // this setting ...
	Is      string `json:"is,omitempty"`      // ... has this value,
	Min     string `json:"least,omitempty"`   // ... or is a time of at least this ...
	Step    string `json:"step,omitempty"`    // ... and a multiple of this
	Link    Role   `json:"link,omitempty"`    // the process has this link ...
	Several bool   `json:"several,omitempty"` // ... to more than one process
	Not     bool   `json:"not,omitempty"`     // the opposite of all this
}

func (c Condition) holds(p Process) bool {
	holds := c.Setting == "" || c.fits(p.Settings[c.Setting])
	if c.Link != "" {
		holds = holds && p.Linked(c.Link) && (!c.Several || len(p.Targets(c.Link)) > 1)
	}
	return holds != c.Not
}

// fits says whether a setting has the value that the condition states, or is a time
// within its bounds. A bound that is no time fits nothing.
func (c Condition) fits(value string) bool {
	if c.Min == "" && c.Step == "" {
		return value == c.Is
	}
	given, err := time.ParseDuration(value)
	least, errLeast := time.ParseDuration(cmp.Or(c.Min, "0s"))
	step, errStep := time.ParseDuration(cmp.Or(c.Step, "1ns"))
	return cmp.Or(err, errLeast, errStep) == nil && step > 0 && given >= least && given%step == 0
}

// Rule says what a process needs when some settings and links come together.
type Rule struct {
	When  []Condition `json:"when"` // all of them
	Needs Condition   `json:"needs"`
	// Else is what is wrong where the need is not met, and the remedy. In it, a
	// setting's name in braces becomes the setting's value, and a link's role in braces
	// becomes the number of its targets.
	Else string `json:"else"`
}

func (r Rule) broken(p Process) bool {
	return !slices.ContainsFunc(r.When, func(c Condition) bool { return !c.holds(p) }) && !r.Needs.holds(p)
}

func (r Rule) text(p Process) string {
	var values []string
	for name, value := range p.Settings {
		values = append(values, "{"+name+"}", value)
	}
	for _, l := range p.Links {
		values = append(values, "{"+string(l.Role)+"}", strconv.Itoa(len(l.To)))
	}
	return strings.NewReplacer(values...).Replace(r.Else)
}

// BrokenRule says what is wrong with a process of the kind by the kind's rules; "" when
// nothing is.
func (k Kind) BrokenRule(p Process) string {
	for _, r := range k.Rules {
		if r.broken(p) {
			return r.text(p)
		}
	}
	return ""
}

// Process is a process of the kind with all defaults.
func (k Kind) Process(name string) Process {
	p := Process{Name: name, Kind: k.Name, Port: k.Port, Facts: k.Facts, Settings: map[string]string{}}
	for _, s := range k.Settings {
		p.Settings[s.Name] = s.Default
	}
	return p
}

// Setting finds one of the kind's settings by its name.
func (k Kind) Setting(name string) (SettingSpec, bool) {
	i := slices.IndexFunc(k.Settings, func(s SettingSpec) bool { return s.Name == name })
	if i < 0 {
		return SettingSpec{}, false
	}
	return k.Settings[i], true
}

// Link finds one of the kind's links by its role.
func (k Kind) Link(role Role) (LinkSpec, bool) {
	i := slices.IndexFunc(k.Links, func(l LinkSpec) bool { return l.Role == role })
	if i < 0 {
		return LinkSpec{}, false
	}
	return k.Links[i], true
}

// Check says what is wrong with the settings of a process of the kind: an unknown
// name, a missing setting, or a value that can't be read.
func (k Kind) Check(settings map[string]string) error {
	var wrong []error
	for name := range settings {
		if _, known := k.Setting(name); !known {
			wrong = append(wrong, fmt.Errorf("a %s has no setting %q", k.Name, name))
		}
	}
	for _, s := range k.Settings {
		text, set := settings[s.Name]
		if !set {
			wrong = append(wrong, fmt.Errorf("setting %q is missing", s.Name))
		} else if _, err := s.Read(text); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}

// IsIrrelevant says whether a setting of a process is not worth showing: the setting
// has its default, and the default is hidden or has no effect here. With one
// database, for example, shard_by has no effect.
func (k Kind) IsIrrelevant(p Process, setting string) bool {
	s, known := k.Setting(setting)
	if !known || p.Settings[setting] != s.Default {
		return false
	}
	idle := len(s.RelevantWhen) > 0 && !slices.ContainsFunc(s.RelevantWhen, func(c Condition) bool { return c.holds(p) })
	return s.HideDefault || idle
}

// KindOf finds a kind by its name.
func KindOf(kinds []Kind, name KindName) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// kindNames are the kinds' names, in the order of the list.
func kindNames(kinds []Kind) []KindName {
	names := make([]KindName, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}

// Role is what a process uses another process as. A kind names the roles of its
// links; the scenario file names those of a service.
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

// IsReplica says whether the process is a database that follows another one. A
// service is none: its roles have any names.
func (p Process) IsReplica() bool { return p.Service == nil && p.Linked(RolePrimary) }
