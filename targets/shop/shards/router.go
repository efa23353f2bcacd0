// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"fmt"
	"slices"
	"time"
)

// Key is what a router may look at to place a row.
type Key struct {
	ID      int64     // of the user for users and orders, of the post for posts
	City    string    // of the user
	Created time.Time // of the row; zero: the time inside the ID
}

// Router says which shard, from 0, a row lives on. It is total: every key has
// its shard, and always the same one.
type Router interface {
	Shard(k Key) int
}

// ByHash spreads rows over N shards by a hash of the id.
//
// Gives: an even load, whatever the ids are. Costs: neighbours live apart, so a
// page of the newest asks every shard; and with another N nearly every row has
// to move. Measured by scenario phase5, setting shard_by: hash.
type ByHash struct{ N int }

// Shard implements Router.
func (r ByHash) Shard(k Key) int { return Hash(k.ID, max(r.N, 1)) }

// ByRange gives each of N shards an equal range of the ids 1..Count.
//
// Gives: neighbours live together, a range is moved or split without touching
// the others. Costs: what is new is beyond Count, so the last shard takes every
// new row, and all the load of what people look at first.
type ByRange struct {
	Count int64
	N     int
}

// Shard implements Router.
func (r ByRange) Shard(k Key) int {
	n, count := int64(max(r.N, 1)), max(r.Count, 1)
	each := (count-1)/n + 1 // rounded up
	return int(min(max(k.ID-1, 0)/each, n-1))
}

// regions is where the dataset's cities lie.
var regions = map[string]string{
	"Copenhagen": "north", "Edinburgh": "north",
	"Amsterdam": "west", "Dublin": "west",
	"Berlin": "east", "Hamburg": "east",
	"Florence": "south", "Geneva": "south",
}

// regionNames fixes the order of the shards.
var regionNames = []string{"north", "west", "east", "south"}

// ByRegion keeps users near home: region i lives on shard i, counted round
// where there are fewer shards.
//
// Gives: short ways, and data that stays in its country. Costs: the load is as
// uneven as the population; who moves house moves database; and the city must
// be known before a row can be found, which takes a directory. A city that no
// region claims goes by the hash of its user.
type ByRegion struct{ N int }

// Shard implements Router.
func (r ByRegion) Shard(k Key) int {
	region := slices.Index(regionNames, regions[k.City])
	if region < 0 {
		return ByHash(r).Shard(k)
	}
	return region % max(r.N, 1)
}

// ByTime gives each shard the rows made since its start and before the next
// one's. What is older than every start lives on the first.
//
// Gives: old data stands still, is archived or dropped a shard at a time, and a
// page of the newest asks one shard. Costs: every write goes to the newest
// shard, so the limit on writes stays that of one machine.
type ByTime struct{ starts []time.Time }

// NewByTime takes the start of each shard, from the oldest. The error says
// which of them is out of order.
func NewByTime(starts ...time.Time) (ByTime, error) {
	if len(starts) == 0 {
		return ByTime{}, fmt.Errorf("sharding by time needs at least one start")
	}
	for i := 1; i < len(starts); i++ {
		if !starts[i].After(starts[i-1]) {
			return ByTime{}, fmt.Errorf("start %d of the shards, %v, is not after %v", i, starts[i], starts[i-1])
		}
	}
	return ByTime{slices.Clone(starts)}, nil
}

// Months are the starts of n shards of some months each, from the month that
// holds first, in UTC.
func Months(first time.Time, months, n int) []time.Time {
	first = first.UTC()
	var starts []time.Time
	for i := range n {
		starts = append(starts, time.Date(first.Year(), first.Month()+time.Month(i*months), 1, 0, 0, 0, 0, time.UTC))
	}
	return starts
}

// Shard implements Router.
func (r ByTime) Shard(k Key) int {
	created := k.Created
	if created.IsZero() {
		created = Time(k.ID)
	}
	after, found := slices.BinarySearchFunc(r.starts, created, time.Time.Compare)
	if found {
		return after
	}
	return max(after-1, 0)
}
