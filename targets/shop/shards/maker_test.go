// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"sync"
	"testing"
	"time"
)

func TestIDsNeverRepeatNorGoBack(t *testing.T) {
	at := Epoch.Add(300 * 24 * time.Hour)
	ids := &idMaker{node: 5, now: func() time.Time { return at }}
	var last int64
	for i := range 3 * 4096 {
		switch i {
		case 4096 * 2: // the clock goes back an hour
			at = at.Add(-time.Hour)
		}
		id := ids.next()
		if id <= last {
			t.Fatalf("id %d is %d, after %d", i, id, last)
		}
		last = id
	}
	if got := Time(last).Sub(at); got < time.Hour || got > time.Hour+3*time.Millisecond {
		t.Errorf("ids count on at %v past the clock, want just over the hour that it lost", got)
	}
}

func TestIDsOfManyAtOnce(t *testing.T) {
	const each, makers = 5000, 4
	made := make([][]int64, 2*makers)
	var all sync.WaitGroup
	for node := range 2 { // two apps
		ids := &idMaker{node: int64(node), now: time.Now}
		for m := range makers {
			all.Go(func() {
				for range each {
					made[node*makers+m] = append(made[node*makers+m], ids.next())
				}
			})
		}
	}
	all.Wait()
	seen := map[int64]bool{}
	for _, ids := range made {
		for _, id := range ids {
			if id <= 0 || seen[id] {
				t.Fatalf("id %d is not positive, or was given twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) != 2*makers*each {
		t.Errorf("%d ids, want %d", len(seen), 2*makers*each)
	}
}
