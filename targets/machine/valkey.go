// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gomodule/redigo/redis"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// valkey runs Valkey as a cache: nothing on disk, the least recently used key
// goes first.
type valkey struct {
	spec   spec.Process
	client *redis.Pool
}

func newValkey(p spec.Process) *valkey {
	address := p.Near()
	return &valkey{spec: p, client: &redis.Pool{
		MaxIdle: 1,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", address)
		},
	}}
}

// ask sends one command and waits for its answer until ctx ends.
func (v *valkey) ask(ctx context.Context, command string, args ...any) (string, error) {
	conn, err := v.client.GetContext(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return redis.String(redis.DoContext(conn, ctx, command, args...))
}

func (v *valkey) command(context.Context) (*exec.Cmd, error) {
	size, err := valkeySize(v.spec.Settings["maxmemory"])
	if err != nil {
		return nil, err
	}
	program, err := find(scenarios.KindValkey)
	if err != nil {
		return nil, err
	}
	bind := []string{"*", "-::*"}
	if v.spec.Address != "" {
		bind = []string{v.spec.Address}
	}
	return exec.Command(program, append(append([]string{"--bind"}, bind...),
		"--port", strconv.Itoa(v.spec.Port), "--protected-mode", "no",
		"--save", "", "--appendonly", "no",
		"--maxmemory", size, "--maxmemory-policy", "allkeys-lru",
		"--io-threads", "1", "--daemonize", "no",
	)...), nil
}

// valkeySize turns a size of a scenario ("256MB", 1024-based as PostgreSQL's)
// into the server's own words.
func valkeySize(size string) (string, error) {
	for _, unit := range []string{"kB", "MB", "GB"} {
		if number, found := strings.CutSuffix(size, unit); found {
			if n, err := strconv.Atoi(number); err == nil && n > 0 {
				return strconv.Itoa(n) + strings.ToLower(unit), nil
			}
		}
	}
	return "", fmt.Errorf("maxmemory %q: not a size such as 256MB", size)
}

func (v *valkey) ready(ctx context.Context) error {
	_, err := v.ask(ctx, "PING")
	return err
}

func (v *valkey) settle(context.Context) error { return nil }

func (v *valkey) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (v *valkey) counts(ctx context.Context) (map[string]float64, error) {
	info, err := v.ask(ctx, "INFO", "stats", "memory", "keyspace")
	if err != nil {
		return nil, err
	}
	return parseInfo(info)
}

// work tells how often each command was given. What only asks after the server
// is left out.
func (v *valkey) work(ctx context.Context) ([]spec.Work, error) {
	info, err := v.ask(ctx, "INFO", "commandstats")
	if err != nil {
		return nil, err
	}
	return parseCommands(info)
}

// ownCommands are those of health checks, agents and new connections.
var ownCommands = []string{"info", "ping", "hello", "client", "select", "command", "config"}

// parseCommands reads lines as cmdstat_get:calls=21,usec=175,...
func parseCommands(info string) ([]spec.Work, error) {
	var all []spec.Work
	for line := range strings.Lines(info) {
		key, value, found := strings.Cut(strings.TrimSpace(line), ":")
		name, isCommand := strings.CutPrefix(key, "cmdstat_")
		family, _, _ := strings.Cut(name, "|")
		if !found || !isCommand || slices.Contains(ownCommands, family) {
			continue
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		calls, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("INFO: %s is %q, without a number of calls", key, value)
		}
		all = append(all, spec.Work{Of: spec.WorkCommand, Name: name, Counts: map[string]float64{"calls": calls}})
	}
	return all, nil
}

func (v *valkey) close() { _ = v.client.Close() }

// parseInfo reads the counters from the answer to INFO stats memory keyspace.
func parseInfo(info string) (map[string]float64, error) {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[key] = value
		}
	}
	counts := map[string]float64{"keys": 0} // an empty database has no line
	for name, key := range map[string]string{
		"hits_total":      "keyspace_hits",
		"misses_total":    "keyspace_misses",
		"evictions_total": "evicted_keys",
		"memory_bytes":    "used_memory",
	} {
		value, err := strconv.ParseFloat(fields[key], 64)
		if err != nil {
			return nil, fmt.Errorf("INFO: %s is %q, not a number", key, fields[key])
		}
		counts[name] = value
	}
	for key, value := range fields {
		if number, isDB := strings.CutPrefix(key, "db"); !isDB || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		first, _, _ := strings.Cut(value, ",")
		keys, err := strconv.ParseFloat(strings.TrimPrefix(first, "keys="), 64)
		if err != nil {
			return nil, fmt.Errorf("INFO: %s is %q, without a number of keys", key, value)
		}
		counts["keys"] += keys
	}
	return counts, nil
}
