// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// systemUser is the user that memcached runs as when we are root: memcached refuses
// to run as root. Debian's package brings the user.
const systemUser = "memcache"

const (
	maxClients   = 10_000
	maxStatLines = 1_000 // memcached tells some 80
)

func find() (string, error) { return machine.FindProgram("memcached") }

// server runs memcached. The least recently used value goes first.
type server struct {
	spec spec.Process
	dir  string
}

// Command runs the server without a configuration file, over TCP alone.
func (s *server) Command(context.Context) (*exec.Cmd, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	args := []string{
		"--port=" + strconv.Itoa(s.spec.Port), "--udp-port=0",
		"--memory-limit=" + strconv.FormatInt(Memory.Of(s.spec.Settings)>>20, 10), // MB
		"--max-item-size=32m", // Valkey keeps any page; the default here is 1 MB
		"--threads=" + strconv.Itoa(Threads.Of(s.spec.Settings)),
		"--conn-limit=" + strconv.Itoa(maxClients),
	}
	if s.spec.Address != "" {
		args = append(args, "--listen="+s.spec.Address)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr, err = machine.AsUser(systemUser)
	return cmd, err
}

// Ready asks for the statistics: a server that tells them answers.
func (s *server) Ready(ctx context.Context) error {
	_, err := s.stats(ctx)
	return err
}

// Close does nothing: each question has a connection of its own.
func (s *server) Close() {}

// Count tells hits_total, misses_total, evictions_total, keys and memory_bytes.
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	stats, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	return named(stats, map[string]string{
		"hits_total": "get_hits", "misses_total": "get_misses", "evictions_total": "evictions", "keys": "curr_items", "memory_bytes": "bytes",
	})
}

// Work tells how often each command was given.
func (s *server) Work(ctx context.Context) ([]spec.Work, error) {
	stats, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	calls, err := named(stats, map[string]string{"get": "cmd_get", "set": "cmd_set", "deleted": "delete_hits", "not deleted": "delete_misses"})
	if err != nil {
		return nil, err
	}
	calls["delete"] = calls["deleted"] + calls["not deleted"]
	var all []spec.Work
	for _, command := range []string{"get", "set", "delete"} {
		all = append(all, spec.Work{Of: spec.WorkCommand, Name: command, Counts: map[string]float64{"calls": calls[command]}})
	}
	return all, nil
}

// named picks figures and gives them our names.
func named(stats map[string]string, names map[string]string) (map[string]float64, error) {
	out := map[string]float64{}
	for ours, theirs := range names {
		n, err := strconv.ParseFloat(stats[theirs], 64)
		if err != nil {
			return nil, fmt.Errorf("stats: %s is %q, not a number", theirs, stats[theirs])
		}
		out[ours] = n
	}
	return out, nil
}

// stats asks the server for its statistics.
func (s *server) stats(ctx context.Context) (map[string]string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.spec.LocalAddress())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, set := ctx.Deadline(); set {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := io.WriteString(conn, "stats\r\n"); err != nil {
		return nil, err
	}
	return parseStats(conn)
}

// parseStats reads lines as "STAT get_hits 12" up to END.
func parseStats(r io.Reader) (map[string]string, error) {
	stats := map[string]string{}
	lines := bufio.NewScanner(r)
	for range maxStatLines {
		if !lines.Scan() {
			break
		}
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 1 && fields[0] == "END":
			return stats, nil
		case len(fields) == 3 && fields[0] == "STAT":
			stats[fields[1]] = fields[2]
		default:
			return nil, fmt.Errorf("stats: %.100q is no statistic", lines.Text())
		}
	}
	return nil, errors.Join(errors.New("stats: they do not end"), lines.Err())
}
