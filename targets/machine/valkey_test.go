// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"reflect"
	"testing"
)

const sampleInfo = "# Stats\r\ntotal_connections_received:5\r\nkeyspace_hits:900\r\nkeyspace_misses:100\r\nevicted_keys:7\r\n" +
	"# Memory\r\nused_memory:123456\r\nused_memory_human:120K\r\n"

func TestParseInfo(t *testing.T) {
	want := map[string]float64{"hits_total": 900, "misses_total": 100, "evictions_total": 7, "memory_bytes": 123456}
	for keyspace, keys := range map[string]float64{
		"# Keyspace\r\n": 0,
		"# Keyspace\r\ndb0:keys=42,expires=42,avg_ttl=1000\r\n":                                    42,
		"# Keyspace\r\ndb0:keys=42,expires=42,avg_ttl=1000\r\ndb11:keys=8,expires=0,avg_ttl=0\r\n": 50,
	} {
		want["keys"] = keys
		got, err := parseInfo(sampleInfo + keyspace)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, %v; want %v", keyspace, got, err, want)
		}
	}
	for _, bad := range []string{"", "keyspace_hits:1\r\n", sampleInfo + "db0:expires=1\r\n"} {
		if got, err := parseInfo(bad); err == nil {
			t.Errorf("%q gives %v without an error", bad, got)
		}
	}
}

func TestValkeySize(t *testing.T) {
	for size, want := range map[string]string{"256MB": "256mb", "64kB": "64kb", "2GB": "2gb"} {
		if got, err := valkeySize(size); err != nil || got != want {
			t.Errorf("valkeySize(%q) = %q, %v; want %q", size, got, err, want)
		}
	}
	for _, bad := range []string{"", "256", "MB", "-1MB", "0MB", "1.5GB", "256mb"} {
		if got, err := valkeySize(bad); err == nil {
			t.Errorf("valkeySize(%q) = %q without an error", bad, got)
		}
	}
}
