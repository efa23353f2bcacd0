// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"headroom/harness/record"
	"headroom/scenarios"
)

// MaxSample is how many of each table's created rows are kept, to be looked
// for afterwards.
const MaxSample = 5000

// Creations follows what was created: a sample of each table for those who look
// for it afterwards, and whether an id was given twice: `duplicate_ids`.
//
// The sample is drawn so that each creation has the same chance (Vitter's
// algorithm R). Ids are compared exactly, up to the bound.
//
// It can't see: ids that were given before it started, or to somebody else;
// ids whose answer did not arrive.
type Creations struct {
	mu         sync.Mutex
	draw       *rand.Rand
	tables     []creation
	duplicates bool
	room       *budget
	tally      tally
	unkept     int64
	unread     int64
	example    string
}

type creation struct {
	name  string
	count int64
	kept  []record.Created
	ids   map[int64]struct{}
}

// NewCreations follows the tables of those names; duplicates says whether ids
// are to be compared.
func NewCreations(tables []string, duplicates bool, seed uint64) *Creations {
	c := &Creations{draw: rand.New(rand.NewPCG(seed, 0x63726561)), duplicates: duplicates, room: newBudget(MaxKept)}
	for _, name := range tables {
		c.tables = append(c.tables, creation{name: name, ids: map[int64]struct{}{}})
	}
	return c
}

// Add is told that the creation of a row of that table, an index, was
// acknowledged.
func (c *Creations) Add(table int, created record.Created, recorded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.tables[table]
	if c.duplicates {
		c.compare(k, created.ID, recorded)
	}
	if !recorded {
		return
	}
	k.count++
	if len(k.kept) < MaxSample {
		k.kept = append(k.kept, created)
	} else if at := c.draw.Int64N(k.count); at < MaxSample {
		k.kept[at] = created
	}
}

// compare looks an id up; c is locked.
func (c *Creations) compare(k *creation, id int64, recorded bool) {
	_, twice := k.ids[id]
	if !twice {
		if !c.room.take(1) {
			c.unkept++
			return
		}
		k.ids[id] = struct{}{}
	}
	if !recorded {
		return
	}
	c.tally.checked++
	if twice {
		c.tally.violations++
		if c.example == "" {
			c.example = fmt.Sprintf("two creations of row %d of %s were acknowledged", id, k.name)
		}
	}
}

// Unread is told of a successful answer in which no id was found.
func (c *Creations) Unread() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread++
}

// Duplicates returns the finding.
func (c *Creations) Duplicates() record.Oracle {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := record.Oracle{
		Name: scenarios.OracleDuplicateIDs, Checked: c.tally.checked, Violations: c.tally.violations, Example: c.example,
	}
	because(&o, "nothing was created", some(c.unread, "answers showed no id"),
		some(c.unkept, "ids were not followed: there were more than %d", MaxKept))
	return o
}

// Sample returns what was kept, by table.
func (c *Creations) Sample() map[string][]record.Created {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]record.Created{}
	for _, k := range c.tables {
		if len(k.kept) > 0 {
			out[k.name] = append(out[k.name], k.kept...)
		}
	}
	return out
}
