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

// Of ten keys the stride is 7, the first from 10/golden ratio = 6.18 on that shares no
// factor with ten: rank r has the key 7r mod 10 + 1.
func TestScatterOfTen(t *testing.T) {
	for rank, want := range map[int]int{1: 8, 2: 5, 3: 2, 9: 4, 10: 1} {
		if got := ScatterRank(rank, 10); got != want {
			t.Errorf("rank %d has the key %d, want %d", rank, got, want)
		}
	}
	if got := ScatterRank(1, 1); got != 1 {
		t.Errorf("the only key is %d", got)
	}
	if got := ScatterRank(1, 1000); got != 620 { // 619 is a prime, 618 is even
		t.Errorf("the hottest of 1,000 keys is %d", got)
	}
	for _, test := range [][3]int{{12, 18, 6}, {18, 12, 6}, {7, 10, 1}, {5, 5, 5}, {4, 0, 4}} {
		if got := greatestCommonDivisor(test[0], test[1]); got != test[2] {
			t.Errorf("of %d and %d it is %d, want %d", test[0], test[1], got, test[2])
		}
	}
}
