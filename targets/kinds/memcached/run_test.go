// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bufio"
	"net"
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
		if _, tells := counts[c.Told()]; !tells {
			t.Errorf("%s is not told", c.Told())
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
	many := strings.Repeat("STAT a b\r\n", mostStatLines+1) + "END\r\n"
	if _, err := parseStats(strings.NewReader(many)); err == nil {
		t.Error("statistics without end were read")
	}
}

func TestCommand(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := &server{spec: spec.Process{Port: 11211, Settings: Kind().Process("memcached").Settings}, dir: t.TempDir()}
	if _, err := s.Command(t.Context()); err == nil {
		t.Skip("memcached stands outside PATH here")
	} else if !strings.Contains(err.Error(), "memcached is not installed") {
		t.Error(err)
	}
}

func TestSpeaksOnlyItsOwnProtocol(t *testing.T) {
	if p := Kind().Process("pages"); !p.Speaks(scenarios.ProtocolMemcached) || p.Speaks(scenarios.ProtocolRedis) {
		t.Error("a memcached is taken for a Redis")
	}
}
