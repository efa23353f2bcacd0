// SPDX-License-Identifier: Apache-2.0

package fill

import (
	"slices"
	"testing"
)

func TestTouched(t *testing.T) {
	tests := []struct {
		method, target, body string
		reads                string
		stale                []string
	}{
		{"GET", "/api/users/42", "", "user:42", nil},
		{"GET", "/api/posts/7", "", "post:7", nil},
		{"GET", "/api/feed", "", "feed:0", nil},
		{"GET", "/api/orders?user=3", "", "orders:3", nil},
		{"GET", "/api/search?q=w1", "", "", nil},
		{"GET", "/assets/5", "", "", nil},
		{"GET", "/api/users/abc", "", "", nil},
		{"PUT", "/api/users/42", `{"name":"n"}`, "", []string{"user:42"}},
		{"POST", "/api/posts", `{"author":1}`, "", []string{"feed:0"}},
		{"POST", "/api/checkout", `{"user":3,"item":"i"}`, "", []string{"orders:3"}},
		{"POST", "/api/orders", `{"user":4}`, "", []string{"orders:4"}},
		{"POST", "/api/gifts", `{"from":1,"to":2}`, "", []string{"orders:1", "orders:2"}},
		{"POST", "/api/checkout", `not JSON`, "", nil},
		{"DELETE", "/api/users/42", "", "", nil},
	}
	for _, test := range tests {
		reads, stale := CacheEffects(test.method, test.target, []byte(test.body))
		if reads != test.reads || !slices.Equal(stale, test.stale) {
			t.Errorf("%s %s: reads %q, makes stale %v; want %q and %v", test.method, test.target, reads, stale, test.reads, test.stale)
		}
	}
}
