// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"headroom/harness/record"
	"headroom/scenarios"
)

// MaxSample is how many of each table's created rows are kept for the oracles that look
// for rows afterwards.
const MaxSample = 5000

// Creations tracks created rows. It keeps a sample of each table for the oracles that
// look for rows afterwards, and checks that no id is given twice: `duplicate_ids`.
//
// Each creation has the same chance to be in the sample (Vitter's algorithm R). Ids are
// compared exactly, up to the bound.
//
// It can't see: ids that were given before the driver started, or to other clients; ids
// whose answer did not arrive.
type Creations struct {
	mu         sync.Mutex
	draw       *rand.Rand
	tables     []creation
	duplicates bool
	idBudget   *budget
	tally      tally
	untracked  int64
	unread     int64
	example    string
}

type creation struct {
	name  string
	count int64
	kept  []record.Created
	ids   map[int64]struct{}
}

// NewCreations tracks the named tables; duplicates says whether ids are compared.
func NewCreations(tables []string, duplicates bool, seed uint64) *Creations {
	c := &Creations{draw: rand.New(rand.NewPCG(seed, 0x63726561)), duplicates: duplicates, idBudget: newBudget(MaxTracked)}
	for _, name := range tables {
		c.tables = append(c.tables, creation{name: name, ids: map[int64]struct{}{}})
	}
	return c
}

// Add records that the creation of a row was acknowledged; table is an index into the
// tables.
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

// compare looks up an id; c must be locked.
func (c *Creations) compare(k *creation, id int64, recorded bool) {
	_, twice := k.ids[id]
	if !twice {
		if !c.idBudget.take(1) {
			c.untracked++
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

// Unread counts a successful answer in which no id was found.
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
	setUnknown(&o, "nothing was created", countReason(c.unread, "answers showed no id"),
		countReason(c.untracked, "ids were not followed: there were more than %d", MaxTracked))
	return o
}

// Sample returns the samples, by table.
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
