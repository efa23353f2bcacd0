// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"maps"
	"slices"
)

// What a process keeps that copies of its machine would have to agree on.
const (
	KeepsNothing = ""
	KeepsData    = "data"  // the rows that all read and write
	KeepsQueue   = "queue" // jobs in their order, each once
)

// Facts are what the rest of headroom has to know of a kind. Nobody asks for a
// kind's name who can ask for a fact.
type Facts struct {
	Label    string // as people say it: "PostgreSQL", "the shop"
	About    string // what the kind is, in a few words
	Keeps    string // one of KeepsNothing, KeepsData, KeepsQueue
	Database bool   // keeps the dataset's rows
	Stores   bool   // writes files that must outlive its container
	// SharedMemoryBytes is what the kind needs in /dev/shm; 0: the engine's default
	// will do.
	SharedMemoryBytes int64
	Ports             int     // how many it listens at, from its port on; 0 is 1
	Relays            bool    // its port is others' traffic: what is asked of itself goes to the next one
	Server            *Server // nil: a program of our own
	Managed           string  // the service of a price book that does the same: "balancer", "CDN", "queue"
}

// Server is a program that is not ours.
type Server struct {
	Program  string // for people: "PostgreSQL 15 or newer"
	Packages string // what to install on Debian
}

// Facts of a kind that is not known say that it keeps data: more than it may be.
func (k Kind) Facts() Facts {
	rule, known := kinds[k]
	if !known {
		return Facts{Label: string(k), Keeps: KeepsData}
	}
	return rule.facts
}

// Keeps is what a process of the kind keeps.
func (k Kind) Keeps() string { return k.Facts().Keeps }

// IsDatabase says whether a process of the kind keeps the dataset's rows.
func (k Kind) IsDatabase() bool { return k.Facts().Database }

// Ports are how many ports a process of the kind listens at, from its own on.
func (k Kind) Ports() int { return max(1, k.Facts().Ports) }

// Keeps is what the machine's processes keep, data before a queue.
func (m Machine) Keeps() string {
	keeps := KeepsNothing
	for _, p := range m.Processes {
		switch p.Kind.Keeps() {
		case KeepsData:
			return KeepsData
		case KeepsQueue:
			keeps = KeepsQueue
		}
	}
	return keeps
}

// Stores says whether one of the machine's processes writes files that must
// outlive its container.
func (m Machine) Stores() bool {
	return slices.ContainsFunc(m.Processes, func(p Process) bool { return p.Kind.Facts().Stores })
}

// SharedMemoryBytes is what the machine's processes need in /dev/shm together; 0:
// the engine's default will do.
func (m Machine) SharedMemoryBytes() int64 {
	var sum int64
	for _, p := range m.Processes {
		sum += p.Kind.Facts().SharedMemoryBytes
	}
	return sum
}

// Kinds are all kinds of process, by name.
func Kinds() []Kind { return slices.Sorted(maps.Keys(kinds)) }

// SettingSpec says what one key of a process may hold.
type SettingSpec struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"` // "int", "duration", "share", "size" or "enum"
	Words   []string `json:"words,omitempty"`
	Default string   `json:"default"`
	About   string   `json:"about"`
}

// Settings are what a process of the kind may be told, by name.
func (k Kind) Settings() []SettingSpec {
	var out []SettingSpec
	for _, name := range slices.Sorted(maps.Keys(kinds[k].settings)) {
		s := kinds[k].settings[name]
		out = append(out, SettingSpec{Name: name, Type: s.typ, Words: s.values, Default: s.fallback, About: s.about})
	}
	return out
}

// LinkSpec says what a process may be linked to in a role.
type LinkSpec struct {
	Role     Role   `json:"role"`
	To       []Kind `json:"to"`
	Required bool   `json:"required"`
	Many     bool   `json:"many"`
	About    string `json:"about"`
}

// Links are the roles of a process of the kind, those that it must have first.
func (k Kind) Links() []LinkSpec {
	var out []LinkSpec
	for _, role := range slices.Sorted(maps.Keys(kinds[k].links)) {
		l := kinds[k].links[role]
		out = append(out, LinkSpec{Role: role, To: l.kinds, Required: l.required, Many: l.many, About: l.about})
	}
	slices.SortStableFunc(out, func(a, b LinkSpec) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

// Port is where a process of the kind listens unless it is told otherwise.
func (k Kind) Port() int { return kinds[k].port }
