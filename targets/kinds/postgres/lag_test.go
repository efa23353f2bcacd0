// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"errors"
	"reflect"
	"testing"

	"headroom/targets/machine/spec"
)

func TestLagHistory(t *testing.T) {
	const ms = 1_000_000
	looks := []struct {
		at       int64
		standbys []standby
		want     []spec.LagSample
	}{
		{100 * ms, []standby{{"r1", 1000, 1000, 0}, {"r2", 1000, 900, 3}},
			[]spec.LagSample{{MonotonicNano: 100 * ms, Replica: "r1"}, {MonotonicNano: 100 * ms, Replica: "r2", Bytes: 100, Ms: 3}}},
		// r2 answers no more: at the first look there was already more than it has.
		{200 * ms, []standby{{"r1", 2000, 1900, 1.5}, {"r2", 2000, 900, 3}},
			[]spec.LagSample{{MonotonicNano: 200 * ms, Replica: "r1", Bytes: 100, Ms: 1.5}, {MonotonicNano: 200 * ms, Replica: "r2", Bytes: 1100, Ms: 100}}},
		// r1 shows everything: what it measured last is over.
		{350 * ms, []standby{{"r1", 2000, 2000, 2}, {"r2", 2000, 900, 3}},
			[]spec.LagSample{{MonotonicNano: 350 * ms, Replica: "r1"}, {MonotonicNano: 350 * ms, Replica: "r2", Bytes: 1100, Ms: 250}}},
		// It answers again, from before the second look.
		{400 * ms, []standby{{"r2", 2000, 1500, 260}},
			[]spec.LagSample{{MonotonicNano: 400 * ms, Replica: "r2", Bytes: 500, Ms: 260}}},
		// A standby may show more than the primary had when it was asked first.
		{500 * ms, []standby{{"r2", 2000, 2010, 260}}, []spec.LagSample{{MonotonicNano: 500 * ms, Replica: "r2"}}},
		// It shows everything, some of which was written since.
		{600 * ms, []standby{{"r2", 3000, 3000, 0.7}}, []spec.LagSample{{MonotonicNano: 600 * ms, Replica: "r2", Ms: 0.7}}},
	}
	var h lagHistory
	var all []spec.LagSample
	for _, look := range looks {
		h.add(look.at, look.standbys)
		if got := h.between(look.at, look.at); !reflect.DeepEqual(got, look.want) {
			t.Errorf("at %d ms: %+v, want %+v", look.at/ms, got, look.want)
		}
		all = append(all, look.want...)
	}
	if got := h.between(0, 1000*ms); !reflect.DeepEqual(got, all) {
		t.Errorf("all: %+v, want %+v", got, all)
	}
	if got := h.between(101*ms, 350*ms); !reflect.DeepEqual(got, all[2:6]) {
		t.Errorf("some: %+v, want %+v", got, all[2:6])
	}
	if got := h.between(601*ms, 700*ms); got == nil || len(got) != 0 {
		t.Errorf("none: %#v", got)
	}
}

// The oldest looks make room.
func TestLagHistoryIsBounded(t *testing.T) {
	var h lagHistory
	const more = 7
	for at := range int64(lagPollsKept + more) {
		h.add(at, []standby{{"r", at, at, 0}})
	}
	samples := h.between(0, 1<<62)
	if len(samples) != lagPollsKept {
		t.Fatalf("%d samples, want %d", len(samples), lagPollsKept)
	}
	for i, sample := range samples {
		if sample.MonotonicNano != int64(i+more) {
			t.Fatalf("sample %d is of %d, want %d", i, sample.MonotonicNano, i+more)
		}
	}
}

// No samples and a failure are not the same as no replicas.
func TestLagSamplerSaysThatItFails(t *testing.T) {
	var s lagSampler
	if samples, err := s.between(0, 10); err != nil || len(samples) != 0 {
		t.Errorf("before all: %v, %v", samples, err)
	}
	cause := errors.New("too many connections")
	s.failure = cause
	if _, err := s.between(0, 10); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
	s.history.add(5, []standby{{"r", 2, 1, 0}})
	if samples, err := s.between(0, 10); err != nil || len(samples) != 1 {
		t.Errorf("with a sample: %v, %v", samples, err)
	}
	s.close() // was never started
}
