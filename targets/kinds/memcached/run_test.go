// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// answering is a server that answers every line with the same text.
func answering(t *testing.T, text string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && line == "stats\r\n" {
				_, _ = conn.Write([]byte(text))
			}
			_ = conn.Close()
		}
	}()
	return &server{spec: spec.Process{Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}}
}

const told = "STAT pid 7\r\nSTAT version 1.6.38\r\nSTAT get_hits 12\r\nSTAT get_misses 3\r\nSTAT evictions 0\r\nSTAT curr_items 9\r\nSTAT bytes 4096\r\n" +
	"STAT cmd_get 15\r\nSTAT cmd_set 10\r\nSTAT delete_hits 2\r\nSTAT delete_misses 4\r\nEND\r\n"

func TestCounts(t *testing.T) {
	s := answering(t, told)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts, err := s.Count(t.Context())
	want := map[string]float64{"hits_total": 12, "misses_total": 3, "evictions_total": 0, "keys": 9, "memory_bytes": 4096}
	if err != nil || !reflect.DeepEqual(counts, want) {
		t.Errorf("got %v, %v; want %v", counts, err, want)
	}
	for _, c := range Kind().Facts.Counters {
		if _, tells := counts[c.SourceKey()]; !tells {
			t.Errorf("%s is not told", c.SourceKey())
		}
	}
	work, err := s.Work(t.Context())
	if err != nil || len(work) != 3 || work[2].Name != "delete" || work[2].Counts["calls"] != 6 || work[0].Of != spec.WorkCommand {
		t.Errorf("work is %v, %v", work, err)
	}
}

func TestWhatIsNoStatistic(t *testing.T) {
	for text, want := range map[string]string{
		"ERROR\r\n":               "is no statistic",
		"STAT get_hits 1\r\n":     "they do not end",
		"END\r\n":                 "not a number",
		"STAT a b c d\r\nEND\r\n": "is no statistic",
	} {
		if _, err := answering(t, text).Count(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	many := strings.Repeat("STAT a b\r\n", maxStatLines+1) + "END\r\n"
	if _, err := parseStats(strings.NewReader(many)); err == nil {
		t.Error("statistics without end were read")
	}
}

// The server gets what the settings say.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "memcached"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for memory, want := range map[string]string{
		"64MB": "--memory-limit=64 ", "1GB": "--memory-limit=1024 ", "66560kB": "--memory-limit=65 ",
	} {
		settings := Kind().Process("memcached").Settings
		settings["memory"], settings["threads"] = memory, "3"
		s := &server{spec: spec.Process{Address: "127.64.0.2", Port: 11211, Settings: settings}, dir: t.TempDir()}
		cmd, err := s.Command(t.Context())
		if err != nil {
			// Where we are root and Debian's package is not here, its user is not either.
			if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), systemUser) {
				t.Errorf("%s: %v, want %q", memory, err, want)
			}
		}
		if cmd != nil {
			if got := strings.Join(cmd.Args, " "); !strings.Contains(got, want) || !strings.Contains(got, "--port=11211 --udp-port=0 ") || !strings.Contains(got, "--threads=3 ") || !strings.HasSuffix(got, "--listen=127.64.0.2") {
				t.Errorf("%s: %s, want %q", memory, got, want)
			}
		} else if err == nil {
			t.Errorf("%s: no command and no error", memory)
		}
	}
}

// Sizes that the server can't take are refused before it starts.
func TestMemory(t *testing.T) {
	for _, test := range []struct{ memory, want string }{
		{"64MB", ""}, {"65536kB", ""}, {"65MB", ""},
		{"63MB", "63MB is out of range: at least 64MB and a multiple of 1MB"},
		{"65535kB", "65535kB is out of range: at least 64MB and a multiple of 1MB"},
		{"65537kB", "65537kB is out of range: at least 64MB and a multiple of 1MB"},
	} {
		got := ""
		if _, err := Memory.Read(test.memory); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.memory, got, test.want)
		}
	}
}

func TestSpeaksOnlyItsOwnProtocol(t *testing.T) {
	if p := Kind().Process("pages"); !p.Speaks(scenarios.ProtocolMemcached) || p.Speaks(scenarios.ProtocolRedis) {
		t.Error("a memcached is taken for a Redis")
	}
}
