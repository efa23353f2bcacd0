// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"
)

func mustByTime(t testing.TB, starts ...time.Time) ByTime {
	t.Helper()
	r, err := NewByTime(starts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Placement is a contract with the seeder and the oracles: rows are on disk by it.
func TestHashStaysAsItIs(t *testing.T) {
	for key, want := range map[int64]int{1: 3, 2: 1, 42: 0, 100_000: 3, 1 << 60: 0, -7: 3} {
		if got := Hash(key, 4); got != want {
			t.Errorf("Hash(%d, 4) = %d, want %d", key, got, want)
		}
	}
}

func TestBalance(t *testing.T) {
	const ids, n = 100_000, 4
	made := func(i int64) int64 { return ID(i/3, i%5, i%3) } // as apps make them
	tests := []struct {
		name   string
		router Router
		key    func(i int64) Key
		within float64 // of an equal share
	}{
		{"hash of seeded ids", ByHash{n}, func(i int64) Key { return Key{ID: i} }, 0.02},
		{"hash of made ids", ByHash{n}, func(i int64) Key { return Key{ID: made(i)} }, 0.02},
		{"range of seeded ids", ByRange{ids, n}, func(i int64) Key { return Key{ID: i} }, 0.0001},
		{"time by equal spans", mustByTime(t, Epoch, Epoch.Add(25_000*time.Second), Epoch.Add(50_000*time.Second), Epoch.Add(75_000*time.Second)),
			func(i int64) Key { return Key{Created: Epoch.Add(time.Duration(i-1) * time.Second)} }, 0.0001},
	}
	for _, test := range tests {
		var counts [n]int
		for i := int64(1); i <= ids; i++ {
			counts[test.router.Shard(test.key(i))]++
		}
		for shard, count := range counts {
			if share := float64(count) * n / ids; share < 1-test.within || share > 1+test.within {
				t.Errorf("%s: shard %d holds %d rows, %.4f of an equal share", test.name, shard, count, share)
			}
		}
	}
}

// What the patterns' words say of new rows.
func TestNewRowsGoToTheNewest(t *testing.T) {
	starts := Months(time.Date(2025, 11, 20, 0, 0, 0, 0, time.UTC), 2, 3)
	if want := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !starts[2].Equal(want) {
		t.Fatalf("the third shard starts %v, want %v", starts[2], want)
	}
	byTime := mustByTime(t, starts...)
	for at, want := range map[time.Time]int{
		starts[0].Add(-time.Hour): 0, starts[0]: 0, starts[1].Add(-1): 0, starts[1]: 1, starts[2]: 2, starts[2].AddDate(9, 0, 0): 2,
	} {
		id := ID(at.Sub(Epoch).Milliseconds(), 1, 1)
		if got := byTime.Shard(Key{Created: at}); got != want {
			t.Errorf("created %v: shard %d, want %d", at, got, want)
		}
		if got := byTime.Shard(Key{ID: id}); at.Equal(at.Truncate(time.Millisecond)) && got != want {
			t.Errorf("id made %v: shard %d, want %d", at, got, want)
		}
		if got := (ByRange{Count: 100_000, N: 4}).Shard(Key{ID: id}); got != 3 {
			t.Errorf("range: new id %d lives on shard %d, want the last", id, got)
		}
	}
}

func TestByTimeRefusesDisorder(t *testing.T) {
	for _, starts := range [][]time.Time{nil, {Epoch, Epoch}, {Epoch.Add(1), Epoch}} {
		if r, err := NewByTime(starts...); err == nil {
			t.Errorf("%v gives %v without an error", starts, r)
		}
	}
}

// The region table must know every city that the dataset draws.
func TestEveryCityHasARegion(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../dataset/rows.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	cities := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "cities" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			city, err := strconv.Unquote(e.(*ast.BasicLit).Value)
			if err != nil || regions[city] == "" {
				t.Errorf("city %s (%v) has no region", city, err)
			}
			cities++
		}
		return false
	})
	if cities < len(regionNames) {
		t.Errorf("only %d cities found in the dataset", cities)
	}
	for i, name := range regionNames {
		for city, region := range regions {
			if got := (ByRegion{4}).Shard(Key{City: city}); region == name && got != i {
				t.Errorf("%s in the %s lives on shard %d, want %d", city, name, got, i)
			}
		}
	}
}

func TestIDKeepsItsParts(t *testing.T) {
	const milliseconds, node, sequence = 1_234_567_890_123, 1023, 4095
	id := ID(milliseconds, node, sequence)
	if id <= 0 || id>>12&1023 != node || id&4095 != sequence {
		t.Errorf("id %b of node %d, sequence %d", id, node, sequence)
	}
	if got := Time(id).Sub(Epoch).Milliseconds(); got != milliseconds {
		t.Errorf("made %d ms after the epoch, want %d", got, milliseconds)
	}
	if over := ID(milliseconds, node+1, sequence+1); Time(over) != Time(id) {
		t.Errorf("a node and a sequence that are too large moved the time to %v", Time(over))
	}
}

// FuzzRoutersAreTotal holds every router to its contract: a shard that exists,
// and the same one again.
func FuzzRoutersAreTotal(f *testing.F) {
	f.Add(int64(1), "Berlin", int64(0), 4, int64(100))
	f.Add(int64(-1<<63), "", int64(-1), 0, int64(0))
	f.Add(int64(1<<63-1), "Atlantis", int64(1<<40), 1000, int64(-5))
	f.Fuzz(func(t *testing.T, id int64, city string, unix int64, n int, count int64) {
		n = min(n, 1024)
		k := Key{ID: id, City: city}
		if unix != 0 {
			k.Created = time.Unix(unix, 0)
		}
		starts := Months(Epoch, 1, max(n, 1))
		for _, r := range []Router{ByHash{n}, ByRange{count, n}, ByRegion{n}, mustByTime(t, starts...)} {
			first := r.Shard(k)
			if first < 0 || first >= max(n, 1) {
				t.Errorf("%T of %+v: shard %d of %d", r, k, first, n)
			}
			if again := r.Shard(k); again != first {
				t.Errorf("%T of %+v: shard %d, then %d", r, k, first, again)
			}
		}
	})
}
