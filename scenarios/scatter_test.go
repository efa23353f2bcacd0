// SPDX-License-Identifier: Apache-2.0

package scenarios

import "testing"

func TestScatterRankIsABijection(t *testing.T) {
	for _, count := range []int{1, 2, 3, 4, 10, 97, 200, 1000, 4096, 100_000} {
		seen := make([]bool, count+1)
		for rank := 1; rank <= count; rank++ {
			key := ScatterRank(rank, count)
			if key < 1 || key > count {
				t.Fatalf("ScatterRank(%d, %d) = %d, outside 1..%d", rank, count, key, count)
			}
			if seen[key] {
				t.Fatalf("ScatterRank(%d, %d) = %d, which another rank has", rank, count, key)
			}
			seen[key] = true
		}
	}
}
