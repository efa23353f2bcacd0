// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

func TestLag(t *testing.T) {
	const answer = `[{"monotonic_ns":5,"replica":"replica-1","bytes":9,"ms":0.5}]`
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		w.Header().Set(spec.NonceHeader, "n")
		w.Write([]byte(answer))
	}))
	defer server.Close()
	samples, err := Lag(t.Context(), Target{"primary", server.URL, "n"}, 1, 10)
	want := []spec.LagSample{{MonotonicNano: 5, Replica: "replica-1", Bytes: 9, Ms: 0.5}}
	if err != nil || !slices.Equal(samples, want) || asked != "GET /lag?from=1&till=10" {
		t.Errorf("%s gives %+v, %v", asked, samples, err)
	}
	if _, err := Lag(t.Context(), Target{"primary", server.URL, "mine"}, 1, 10); !errors.Is(err, ErrWrongNonce) || !strings.Contains(err.Error(), "machine primary") {
		t.Errorf("another's nonce: error %v", err)
	}
	if _, err := Lag(t.Context(), Target{"primary", agent(t, 503, "postgres: away"), "n"}, 1, 10); err == nil || !strings.Contains(err.Error(), "postgres: away") {
		t.Errorf("error %v", err)
	}
}

// More ids than one question takes become several; the answers come together.
func TestRows(t *testing.T) {
	questions := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(spec.NonceHeader, "n")
		var q spec.RowsRequest
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Process != "postgres" || q.Table != "orders" || len(q.IDs) > spec.MaxRowIDs {
			http.Error(w, "bad question", http.StatusBadRequest)
			return
		}
		questions++
		even := slices.DeleteFunc(q.IDs, func(id int64) bool { return id%2 != 0 })
		json.NewEncoder(w).Encode(spec.RowsAnswer{IDs: even})
	}))
	defer server.Close()
	const base = 1 << 62 // beyond what a float holds
	ids := make([]int64, 2*spec.MaxRowIDs+1)
	for i := range ids {
		ids[i] = base + int64(i)
	}
	found, err := Rows(t.Context(), Target{"shard-1", server.URL, "n"}, "postgres", "orders", ids)
	if err != nil || questions != 3 || len(found) != spec.MaxRowIDs+1 || found[1] != base+2 {
		t.Errorf("%d rows after %d questions, %v", len(found), questions, err)
	}
	if _, err := Rows(t.Context(), Target{"shard-1", server.URL, "mine"}, "postgres", "orders", ids); !errors.Is(err, ErrWrongNonce) {
		t.Errorf("another's nonce: error %v", err)
	}
	if _, err := Rows(t.Context(), Target{"shard-1", server.URL, "n"}, "postgres", "users", ids); err == nil || !strings.Contains(err.Error(), "shard-1/postgres") || !strings.Contains(err.Error(), "bad question") {
		t.Errorf("error %v", err)
	}
	if found, err := Rows(t.Context(), Target{"shard-1", "http://127.0.0.1:1", "n"}, "postgres", "orders", nil); err != nil || len(found) != 0 {
		t.Errorf("no ids: %v, %v", found, err)
	}
}
