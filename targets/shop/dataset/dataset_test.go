// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"headroom/scenarios"
	"headroom/targets/shop/shards"
)

var small = Size{Users: 1000, Posts: 2000, Orders: 10_000}

func readTable(t *testing.T, name string, wrap func(io.Reader) io.Reader) string {
	t.Helper()
	for _, table := range tables {
		if table.name != name {
			continue
		}
		all, err := io.ReadAll(wrap(newTableStream(table, small)))
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	t.Fatalf("no table %s", name)
	return ""
}

func plain(r io.Reader) io.Reader { return r }

// A changed hash means changed data: then Version must change with it.
func TestDataIsWhatVersionNames(t *testing.T) {
	want := map[string]string{"users": "70451b8e80bc1056", "posts": "77b838a601fafddf", "orders": "323c962b767e8a3e"}
	for name, hash := range want {
		sum := sha256.Sum256([]byte(readTable(t, name, plain)))
		if got := hex.EncodeToString(sum[:8]); got != hash {
			t.Errorf("version %s: table %s has hash %s, want %s: raise Version, then this hash", Version, name, got, hash)
		}
	}
}

func TestStreamDoesNotDependOnReadSize(t *testing.T) {
	whole := readTable(t, "posts", plain)
	if halves := readTable(t, "posts", iotest.HalfReader); halves != whole {
		t.Error("reading in halves gives other bytes than reading at once")
	}
}

func TestRowsAreWellFormed(t *testing.T) {
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			columns := strings.Count(table.columns, ",") + 1
			scanner := bufio.NewScanner(strings.NewReader(readTable(t, table.name, plain)))
			id := 0
			for scanner.Scan() {
				id++
				fields := strings.Split(scanner.Text(), "\t")
				if len(fields) != columns {
					t.Fatalf("row %d has %d fields, want %d: %q", id, len(fields), columns, scanner.Text())
				}
				if fields[0] != strconv.Itoa(id) {
					t.Fatalf("row %d has id %s", id, fields[0])
				}
				if strings.ContainsRune(scanner.Text(), '\\') {
					t.Fatalf("row %d holds a backslash, which COPY would take for an escape", id)
				}
			}
			if id != table.count(small) {
				t.Errorf("%d rows, want %d", id, table.count(small))
			}
		})
	}
}

func TestTitlesHoldOneTerm(t *testing.T) {
	terms := map[string]bool{}
	for rank := 1; rank <= small.terms(); rank++ {
		terms[Term(rank)] = true
	}
	for line := range strings.Lines(readTable(t, "posts", plain)) {
		title := strings.Split(line, "\t")[2]
		found := 0
		for _, word := range strings.Fields(title) {
			if terms[word] {
				found++
			}
		}
		if found != 1 {
			t.Fatalf("title %q holds %d terms, want 1", title, found)
		}
	}
}

func TestOrdersAreSkewedTowardsHotUsers(t *testing.T) {
	orders := make([]int, small.Users+1)
	for line := range strings.Lines(readTable(t, "orders", plain)) {
		user, err := strconv.Atoi(strings.Split(line, "\t")[1])
		if err != nil || user < 1 || user > small.Users {
			t.Fatalf("order of user %q, want 1..%d", strings.Split(line, "\t")[1], small.Users)
		}
		orders[user]++
	}
	hottest := orders[scenarios.ScatterRank(1, small.Users)]
	if most := slices.Max(orders); most != hottest {
		t.Errorf("rank 1 has %d orders, another user has %d", hottest, most)
	}
	// u*u < 1/users holds for a share of 1/sqrt(users): 316 of 10,000.
	if hottest < 250 || hottest > 390 {
		t.Errorf("rank 1 has %d orders, want about 316", hottest)
	}
}

// The shards' rows are those of the whole, each once, where its key says.
func TestShardsPartitionTheRows(t *testing.T) {
	const n = 4
	sharded := small
	sharded.Shards = n
	keyColumn := map[string]int{"users": 0, "posts": 0, "orders": 1}
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			var all []string
			for shard := range n {
				sharded.Shard = shard + 1
				text, err := io.ReadAll(newTableStream(table, sharded))
				if err != nil {
					t.Fatal(err)
				}
				mine := slices.Collect(strings.Lines(string(text)))
				if share := float64(len(mine)) / float64(table.count(small)); share < 0.15 || share > 0.35 {
					t.Errorf("shard %d has %.2f of the rows", shard, share)
				}
				for _, line := range mine {
					key, err := strconv.ParseInt(strings.Split(line, "\t")[keyColumn[table.name]], 10, 64)
					if err != nil || shards.Hash(key, n) != shard {
						t.Fatalf("shard %d holds %q, %v", shard, line, err)
					}
				}
				all = append(all, mine...)
			}
			want := slices.Collect(strings.Lines(readTable(t, table.name, plain)))
			slices.Sort(want)
			slices.Sort(all)
			if !slices.Equal(all, want) {
				t.Errorf("%d rows on all shards together are not the %d of the whole", len(all), len(want))
			}
		})
	}
}

func TestSizeCheck(t *testing.T) {
	for _, test := range []struct {
		size Size
		want string // of the error; "" for none
	}{
		{Size{Users: 1, Posts: 1, Orders: 1}, ""},
		{Size{Users: 1, Posts: 1, Orders: 1, Terms: 7, Shard: 2, Shards: 2}, ""},
		{Size{Users: 1, Posts: 1, Orders: 1, Shard: 1, Shards: 1}, ""},
		{Size{Posts: 1, Orders: 1}, "at least one of each"},
		{Size{Users: 1, Orders: 1}, "at least one of each"},
		{Size{Users: 1, Posts: 1}, "at least one of each"},
		{Size{Users: 1, Posts: 1, Orders: 1, Terms: -1}, "-1 terms"},
		{Size{Users: 1, Posts: 1, Orders: 1, Shard: 1}, "shard 1 of 0"},
		{Size{Users: 1, Posts: 1, Orders: 1, Shards: 2}, "shard 0 of 2"},
		{Size{Users: 1, Posts: 1, Orders: 1, Shard: 3, Shards: 2}, "shard 3 of 2"},
		{Size{Users: 1, Posts: 1, Orders: 1, Shards: -1}, "shard 0 of -1"},
	} {
		err := test.size.check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: error %v, want %q", test.size, err, test.want)
		}
	}
}
