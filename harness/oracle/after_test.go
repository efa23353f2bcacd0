// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"math"
	"strings"
	"sync"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

func TestDuplicateIDs(t *testing.T) {
	for _, test := range []struct {
		name string
		id   func(i int64) int64
		bad  int64
	}{
		{"unique", func(i int64) int64 { return i << 22 }, 0},
		{"a sequence that starts anew", func(i int64) int64 { return i % 900 }, 100},
		{"one twice", func(i int64) int64 { return max(i, 1) }, 1},
	} {
		c := NewCreations([]string{"orders", "posts"}, true, 1)
		for i := range int64(1000) {
			c.Add(0, record.Created{ID: test.id(i)}, true)
			c.Add(1, record.Created{ID: -i}, true) // another table may have the same
		}
		o := c.Duplicates()
		if o.Checked != 2000 || o.Violations != test.bad || o.Unknown != "" || (o.Example != "") != (test.bad > 0) {
			t.Errorf("%s: %+v, want %d violations", test.name, o, test.bad)
		}
	}
}

func TestDuplicatesSayWhatTheyCouldNotCheck(t *testing.T) {
	c := NewCreations([]string{"orders"}, true, 1)
	if o := c.Duplicates(); o.Checked != 0 || !strings.HasPrefix(o.Unknown, "not measured") {
		t.Errorf("%+v", o)
	}
	c.idBudget = newBudget(2)
	for id := range int64(3) {
		c.Add(0, record.Created{ID: id}, true)
	}
	c.Add(0, record.Created{ID: 0}, true)
	c.Unread()
	if o := c.Duplicates(); o.Checked != 3 || o.Violations != 1 || o.Unknown != "1 answers showed no id; 1 ids were not followed: there were more than 1000000" {
		t.Errorf("%+v", o)
	}
}

// Each creation has the same chance of being in the sample.
func TestSampleIsBoundedAndFair(t *testing.T) {
	const n = 50_000
	c := NewCreations([]string{"orders", "posts", "none"}, false, 7)
	var wg sync.WaitGroup
	for part := range int64(2) {
		wg.Go(func() {
			for i := range int64(n / 2) {
				c.Add(0, record.Created{ID: i*2 + part, Session: 3}, true)
			}
		})
	}
	wg.Wait()
	c.Add(1, record.Created{ID: 1}, true)
	c.Add(1, record.Created{ID: 2}, false) // in the warm-up
	sample := c.Sample()
	if len(sample["orders"]) != MaxSample || len(sample["posts"]) != 1 || len(sample) != 2 {
		t.Fatalf("%d orders, %d posts, %d tables", len(sample["orders"]), len(sample["posts"]), len(sample))
	}
	early, seen := 0, map[int64]bool{}
	for _, created := range sample["orders"] {
		if seen[created.ID] || created.Session != 3 {
			t.Fatalf("%+v stands twice or lost its session", created)
		}
		seen[created.ID] = true
		if created.ID < n/2 {
			early++
		}
	}
	// Hypergeometric with a standard deviation of 34; 8 of them.
	if math.Abs(float64(early)-MaxSample/2) > 270 {
		t.Errorf("%d of %d come from the first half", early, MaxSample)
	}
}

func TestMisplaced(t *testing.T) {
	created := []record.Created{{ID: 10, Session: 1}, {ID: 11, Session: 2}, {ID: 12, Session: 1}, {ID: 13, Session: 2}}
	home := func(c record.Created) int { return int(c.Session) - 1 }
	for _, test := range []struct {
		name    string
		present [][]int64
		home    func(record.Created) int
		bad     int64
		example string
	}{
		{"right", [][]int64{{10, 12}, {11, 13}}, home, 0, ""},
		{"wrong shard", [][]int64{{10, 12, 11}, {13}}, home, 1, "row 11 of orders, of session 2, is in shards [0], it belongs in shard 1 alone"},
		{"in two", [][]int64{{10, 12}, {11, 13, 12}}, home, 1, "row 12 of orders, of session 1, is in shards [0 1]"},
		{"in none", [][]int64{{10, 12}, {11}}, home, 1, "row 13 of orders, of session 2, is in no shard"},
		{"no home known, one place each", [][]int64{{11, 12}, {10, 13}}, nil, 0, ""},
		{"no home known, in two", [][]int64{{11, 12}, {10, 13, 11}}, nil, 1, "row 11 of orders is in shards [0 1], instead of one"},
	} {
		o := Misplaced("orders", created, test.present, test.home)
		if o.Checked != 4 || o.Violations != test.bad || !strings.Contains(o.Example, test.example) || o.Unknown != "" || o.Scope != "orders" {
			t.Errorf("%s: %+v", test.name, o)
		}
	}
	if o := Misplaced("orders", nil, nil, home); o.Checked != 0 || o.Unknown != "not measured: no row of orders was created" {
		t.Errorf("%+v", o)
	}
}

func TestEffects(t *testing.T) {
	orders := []record.Created{{ID: 1}, {ID: 2}, {ID: 3}}
	for _, test := range []struct {
		name             string
		seen             map[int64]int64
		lost, duplicated int64
	}{
		{"each once", map[int64]int64{1: 1, 2: 1, 3: 1, 4: 9}, 0, 0},
		{"one lost", map[int64]int64{1: 1, 2: 0, 3: 1}, 1, 0},
		{"one missing, one twice", map[int64]int64{1: 2, 3: 1}, 1, 1},
		{"none", nil, 3, 0},
	} {
		lost, duplicated := Effects("orders", orders, test.seen)
		if lost.Checked != 3 || lost.Violations != test.lost || lost.Name != scenarios.OracleLost || (lost.Example != "") != (test.lost > 0) {
			t.Errorf("%s: %+v", test.name, lost)
		}
		if duplicated.Checked != 3-test.lost || duplicated.Violations != test.duplicated || (duplicated.Example != "") != (test.duplicated > 0) {
			t.Errorf("%s: %+v", test.name, duplicated)
		}
		if (duplicated.Unknown != "") != (duplicated.Checked == 0) {
			t.Errorf("%s: %+v", test.name, duplicated)
		}
	}
	if lost, _ := Effects("orders", nil, nil); lost.Unknown == "" {
		t.Errorf("%+v: nothing was checked", lost)
	}
}

func TestReorderedAndLag(t *testing.T) {
	if o := Reordered(10, 3); o.Checked != 10 || o.Violations != 3 || o.Unknown != "" {
		t.Errorf("%+v", o)
	}
	if o := Reordered(0, 0); o.Unknown == "" {
		t.Errorf("%+v", o)
	}
	var samples []LagSample
	for i := range 100 {
		samples = append(samples, LagSample{Bytes: int64(i + 1), Millis: float64(i+1) / 2})
	}
	o := Lag("replica-1", samples)
	if o.Checked != 100 || o.Violations != 0 || o.LagBytes["p50"] != 50 || o.LagBytes["p99"] != 99 || o.LagBytes["max"] != 100 {
		t.Errorf("%+v", o)
	}
	if p50 := o.Age.Quantile(0.5).Seconds() * 1e3; math.Abs(p50-25) > 0.1 {
		t.Errorf("p50 of the lag is %v ms, want 25", p50)
	}
	if o := Lag("replica-2", nil); o.Checked != 0 || !strings.Contains(o.Unknown, "replica-2") {
		t.Errorf("%+v", o)
	}
}
