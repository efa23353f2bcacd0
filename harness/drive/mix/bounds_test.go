// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"fmt"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

// What a mix may hold, just so and beyond.
func TestMixAtItsBounds(t *testing.T) {
	of := func(weights ...float64) []scenarios.Endpoint {
		var mix []scenarios.Endpoint
		for i, w := range weights {
			mix = append(mix, scenarios.Endpoint{Name: fmt.Sprint(i), Method: "GET", Path: "/", Weight: w})
		}
		return mix
	}
	even := func(n int) []scenarios.Endpoint {
		weights := make([]float64, n)
		for i := range weights {
			weights[i] = 1 / float64(n)
		}
		return of(weights...)
	}
	keys := func(k scenarios.Keys) map[string]scenarios.Keys { return map[string]scenarios.Keys{"u": k} }
	for _, test := range []struct {
		name string
		mix  []scenarios.Endpoint
		keys map[string]scenarios.Keys
		says string // "": it is compiled
	}{
		{"1,000 endpoints", even(MaxEndpoints), nil, ""},
		{"1,001 endpoints", even(MaxEndpoints + 1), nil, "1001 endpoints"},
		{"a sum a hair above 1", of(0.5, 0.5000009), nil, ""},
		{"a sum a hair below 1", of(0.5, 0.4999991), nil, ""},
		{"a sum above 1", of(0.5, 0.5000011), nil, "sum to 1.0000011"},
		{"a sum below 1", of(0.5, 0.4999989), nil, "sum to 0.9999989"},
		{"all and none", of(1, 0), nil, ""},
		{"a weight above 1", of(1.5, -0.5), nil, "a weight of 1.5"},
		{"a weight below 0", of(-0.5, 1.5), nil, "a weight of -0.5"},
		{"as many keys as may be", of(1), keys(scenarios.Keys{Distribution: "uniform", Count: maxKeys}), ""},
		{"a key too many", of(1), keys(scenarios.Keys{Distribution: "uniform", Count: maxKeys + 1}), "it must be 1 to 1099511627776"},
		{"one key", of(1), keys(scenarios.Keys{Distribution: "uniform", Count: 1}), ""},
		{"zipf's largest exponent", of(1), keys(scenarios.Keys{Distribution: "zipf", Exponent: 5, Count: 3}), ""},
		{"a larger exponent", of(1), keys(scenarios.Keys{Distribution: "zipf", Exponent: 5.001, Count: 3}), "at most 5"},
	} {
		m, err := New("http://h", nil, test.mix, test.keys, 1)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
		if err == nil && len(m.Names()) != len(test.mix) {
			t.Errorf("%s: %d names", test.name, len(m.Names()))
		}
	}
	m, err := New("http://h", nil, of(1, 0), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k := range uint64(1000) {
		if m.Pick(k).Name() != 0 {
			t.Fatalf("request %d has no weight", k)
		}
	}
}

// A body of 16 KiB that is the same every time is sent from one place; a smaller one,
// and one with a number in it, is each request's own.
func TestLargeBodiesAreShared(t *testing.T) {
	for size, shared := range map[int]bool{sharedBody - 1: false, sharedBody: true} {
		body := strings.Repeat("x", size)
		r := mustTarget(t, vegeta.Target{Method: "PUT", URL: "http://h/", Body: []byte(body)}).Pick(0)
		wire, rest, length := r.AppendWire([]byte("before"))
		head := fmt.Sprintf("beforePUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size)
		if length != size || (len(rest) > 0) != shared || string(wire)+string(rest) != head+body || shared && string(wire) != head {
			t.Errorf("%d bytes: %d of them are shared, length %d", size, len(rest), length)
		}
		scratch := make([]byte, 0, 2*sharedBody)
		if got := r.Body(scratch); string(got) != body || r.OwnBody() == shared || (&got[0] == &scratch[:1][0]) == shared {
			t.Errorf("%d bytes: its own %v", size, r.OwnBody())
		}
	}
	m, err := New("http://h", nil, []scenarios.Endpoint{{Name: "e", Method: "PUT", Path: "/", Weight: 1, Body: strings.Repeat("x", sharedBody) + "{seq}"}}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Pick(7); !r.OwnBody() || !strings.HasSuffix(string(r.Body(nil)), "x7") {
		t.Error("a body with a number is shared")
	}
}
