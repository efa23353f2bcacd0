// SPDX-License-Identifier: Apache-2.0

package shards

import "testing"

// Rows that are seeded stay where they are: these are part of the dataset.
func TestHashIsFixed(t *testing.T) {
	for key, want := range map[int64]int{1: 3, 2: 1, 42: 0, 1 << 62: 0} {
		if got := Hash(key, 4); got != want {
			t.Errorf("Hash(%d, 4) = %d, want %d", key, got, want)
		}
	}
}

func TestHashStaysWithin(t *testing.T) {
	for n := 1; n <= 16; n++ {
		seen := map[int]bool{}
		for key := int64(-500); key < 500; key++ {
			shard := Hash(key, n)
			if shard < 0 || shard >= n {
				t.Fatalf("Hash(%d, %d) = %d", key, n, shard)
			}
			seen[shard] = true
		}
		if len(seen) != n {
			t.Errorf("only %d of %d shards are used", len(seen), n)
		}
	}
}
