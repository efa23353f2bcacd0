// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// What a machine would refuse at its start, minutes later, is refused with its line.
func TestPortsOfOneMachine(t *testing.T) {
	const cache = "processes: {valkey: {maxmemory: 256MB}}"
	for _, test := range []struct {
		name, processes string
		want            string // of the complaint; "" for none
	}{
		{"ports of their own", "{valkey: {port: 7000}, nats: {port: 7001}}", ""},
		{"one port twice", "{valkey: {port: 7000}, nats: {port: 7000}}", "port 7000 is taken by valkey on the same machine: give one of them another"},
		{"the port after another's is free", "{nats: {port: 7000}, valkey: {port: 7002}}", ""},
		{"the port after another's own", "{nats: {port: 7000}, valkey: {port: 7001}}", "port 7001 is taken by nats on the same machine"},
		{"another's own is the port after", "{valkey: {port: 7001}, nats: {port: 7000}}", "port 7001 is taken by valkey on the same machine"},
		{"below the agent's", "{valkey: {port: 9899}}", ""},
		{"the agent's", "{valkey: {port: 9900}}", "port 9900 is taken by the machine's agent on the same machine"},
		{"the agent's is the port after", "{nats: {port: 9899}}", "port 9900 is taken by the machine's agent on the same machine"},
		{"above the agent's", "{valkey: {port: 9901}}", ""},
		{"the last with one after it", "{valkey: {port: 65534}}", ""},
		{"none after it", "{valkey: {port: 65535}}", "at most 65534"},
		{"a port for root alone", "{valkey: {port: 1023}}", "at least 1024"},
		{"the first for everybody", "{valkey: {port: 1024}}", ""},
	} {
		data := edit(t, cache, "processes: "+test.processes)
		got := ""
		if _, err := scenarios.Parse("mine.yaml", data, kinds.Data()); err != nil {
			got = err.Error()
		}
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A value that is none is complained of once: no rule says so again.
func TestOneComplaintOfOneValue(t *testing.T) {
	const shop = "cache: cache/valkey, cache_ttl: 5m,"
	const memory = "valkey: {maxmemory: 256MB}"
	text := string(edit(t, shop, "pages: cache/memcached, cache_ttl: 5,"))
	text = strings.Replace(text, memory, "memcached: {memory: 64MB}", 1)
	_, err := scenarios.Parse("mine.yaml", []byte(text), kinds.Data())
	if err == nil || strings.Count(err.Error(), "mine.yaml:") != 1 || !strings.Contains(err.Error(), "time with a unit") {
		t.Errorf("got %v", err)
	}
	text = strings.Replace(text, "cache_ttl: 5,", "cache_ttl: 1500ms,", 1)
	if _, err := scenarios.Parse("mine.yaml", []byte(text), kinds.Data()); err == nil || !strings.Contains(err.Error(), "cache_ttl: 1.5s can't be kept in pages") {
		t.Errorf("got %v", err)
	}
	text = strings.Replace(text, "cache_ttl: 1500ms,", "cache_ttl: 2s,", 1)
	if _, err := scenarios.Parse("mine.yaml", []byte(text), kinds.Data()); err != nil {
		t.Error(err)
	}
}
