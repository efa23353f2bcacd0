// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

// fakeDatabase has the rows 1..10 of orders, and one sample of lag.
type fakeDatabase struct {
	fakeCounter
	sample spec.LagSample
}

func (f fakeDatabase) Rows(_ context.Context, table string, ids []int64) ([]int64, error) {
	if table != "orders" {
		return nil, errors.New("no such table")
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id < 1 || id > 10 }), nil
}

func (f fakeDatabase) Lag(from, till int64) ([]spec.LagSample, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.sample.MonotonicNano < from || f.sample.MonotonicNano > till {
		return nil, nil
	}
	return []spec.LagSample{f.sample}, nil
}

func auditAgent(err error) *agent {
	a := testAgent(nil)
	a.programs[1] = fakeDatabase{fakeCounter{err: err}, spec.LagSample{MonotonicNano: 500, Replica: "replica-1", Bytes: 7, Ms: 1.5}}
	return a
}

func TestAgentLag(t *testing.T) {
	const one = `[{"monotonic_ns":500,"replica":"replica-1","bytes":7,"ms":1.5}]`
	for path, want := range map[string]string{
		"/lag": one, "/lag?from=500&till=500": one, "/lag?from=501": "[]", "/lag?till=499": "[]",
	} {
		res := ask(t, auditAgent(nil), path)
		if got := strings.TrimSpace(res.Body.String()); res.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s, want %s", path, res.Code, got, want)
		}
	}
	if res := ask(t, auditAgent(nil), "/lag?from=now"); res.Code != http.StatusBadRequest || !strings.Contains(res.Body.String(), `from="now"`) {
		t.Errorf("from=now: %d %s", res.Code, res.Body)
	}
	res := ask(t, auditAgent(errors.New("too many connections")), "/lag")
	if res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "broken: too many connections") {
		t.Errorf("a failure: %d %s", res.Code, res.Body)
	}
}

func TestAgentRows(t *testing.T) {
	many, err := json.Marshal(spec.RowsRequest{Process: "broken", Table: "orders", IDs: slices.Repeat([]int64{-1 << 62}, spec.MaxRowIDs)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"process":"broken","table":"orders","ids":[3,11,10]}`, http.StatusOK, `{"ids":[3,10]}`},
		{string(many), http.StatusOK, `{"ids":[]}`},
		{`{"process":"broken","table":"users","ids":[]}`, http.StatusServiceUnavailable, "no such table"},
		{`{"process":"self","table":"orders","ids":[]}`, http.StatusNotFound, `no database named "self"`},
		{`{"process":"broken","table":"orders","id":3}`, http.StatusBadRequest, "unknown field"},
		{`{"process":"broken","table":"orders","ids":[1.5]}`, http.StatusBadRequest, "cannot unmarshal"},
		{fmt.Sprintf(`{"ids":[%s1]}`, strings.Repeat("1,", spec.MaxRowIDs)), http.StatusBadRequest, "at most 20000"},
		{`{"process":"` + strings.Repeat("x", maxRowsBytes) + `"}`, http.StatusBadRequest, "too large"},
	} {
		res := send(t, auditAgent(nil), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rows", strings.NewReader(test.body)))
		if res.Code != test.status || !strings.Contains(res.Body.String(), test.want) {
			t.Errorf("%.60s: %d %.100s, want %d %s", test.body, res.Code, res.Body, test.status, test.want)
		}
	}
}
