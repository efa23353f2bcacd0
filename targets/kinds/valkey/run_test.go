// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
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
	for _, c := range Kind().Facts.Counters { // what the kind says that it counts
		name := c.SourceKey()
		if _, told := want[name]; !told {
			t.Errorf("%s is not among %v", name, want)
		}
	}
	for _, bad := range []string{"", "keyspace_hits:1\r\n", sampleInfo + "db0:expires=1\r\n"} {
		if got, err := parseInfo(bad); err == nil {
			t.Errorf("%q gives %v without an error", bad, got)
		}
	}
}

// The server gets what the settings say, in bytes.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "valkey-server"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for size, want := range map[string]string{
		"256MB": "--maxmemory 268435456 ", "64kB": "--maxmemory 65536 ", "2GB": "--maxmemory 2147483648 ",
	} {
		settings := Kind().Process("valkey").Settings
		settings["maxmemory"] = size
		for address, bind := range map[string]string{"": "--bind * -::* ", "127.64.0.2": "--bind 127.64.0.2 "} {
			s := newServer(spec.Process{Address: address, Port: 6380, Settings: settings})
			cmd, err := s.Command(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(cmd.Args, " ")
			if !strings.Contains(got, want) || !strings.Contains(got, bind+"--port 6380 ") {
				t.Errorf("%s at %q: %s, want %q and %q", size, address, got, bind, want)
			}
		}
	}
}

func TestParseCommands(t *testing.T) {
	const info = "# Commandstats\r\ncmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0\r\n" +
		"cmdstat_config|get:calls=1,usec=9\r\ncmdstat_ping:calls=4,usec=1\r\ncmdstat_set:calls=7,usec=3\r\n"
	one := func(name string, calls float64) spec.Work {
		return spec.Work{Of: spec.WorkCommand, Name: name, Counts: map[string]float64{"calls": calls}}
	}
	got, err := parseCommands(info)
	if want := []spec.Work{one("get", 21), one("set", 7)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := parseCommands("cmdstat_get:usec=1\r\n"); err == nil || !strings.Contains(err.Error(), "cmdstat_get") {
		t.Errorf("no calls: %v", err)
	}
}

// A server that wants a password says what to do.
func TestAttachedToAServerWithAPassword(t *testing.T) {
	for answer, remedy := range map[string]bool{"-NOAUTH Authentication required.\r\n": true, "-LOADING the dataset\r\n": false} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := conn.Read(make([]byte, 512)); err == nil {
				_, _ = conn.Write([]byte(answer))
			}
		}()
		made, err := Kind().Attach(spec.Process{Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(made.Close)
		_, err = made.(machine.Counter).Count(t.Context())
		said := strings.TrimSpace(strings.TrimPrefix(answer, "-"))
		if err == nil || !strings.Contains(err.Error(), said) || strings.Contains(err.Error(), "leave out `attach:`") != remedy {
			t.Errorf("%q: %v", answer, err)
		}
	}
}
