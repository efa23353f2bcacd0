// SPDX-License-Identifier: Apache-2.0

package valkey

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// server runs Valkey as a cache: nothing on disk, the least recently used key
// goes first.
type server struct {
	spec   spec.Process
	client *redis.Pool
}

// attached is a Valkey, or a Redis, that somebody else started. It asks for no
// password.
type attached struct{ *server }

// Command is an error: the server runs elsewhere.
func (attached) Command(context.Context) (*exec.Cmd, error) { return nil, machine.ErrOnlyAsked }

// Count reads what the server counts. The error of a server that wants a password says
// what to do.
func (a attached) Count(ctx context.Context) (map[string]float64, error) {
	counts, err := a.server.Count(ctx)
	var refused redis.Error
	if errors.As(err, &refused) && strings.HasPrefix(string(refused), noPassword) {
		return nil, fmt.Errorf("headroom has no password for the server (%w): start the server without one, or leave out `attach:`", err)
	}
	return counts, err
}

// noPassword begins a server's answer to a client that has given no password.
const noPassword = "NOAUTH"

func newServer(p spec.Process) *server {
	address := p.LocalAddress()
	return &server{spec: p, client: &redis.Pool{
		MaxIdle: 1,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", address)
		},
	}}
}

func find() (string, error) { return machine.FindProgram("valkey-server", "redis-server") }

// ask sends one command and waits for its answer until ctx ends.
func (s *server) ask(ctx context.Context, command string, args ...any) (string, error) {
	conn, err := s.client.GetContext(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return redis.String(redis.DoContext(conn, ctx, command, args...))
}

// Command runs the server without a configuration file.
func (s *server) Command(context.Context) (*exec.Cmd, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	bind := []string{"*", "-::*"}
	if s.spec.Address != "" {
		bind = []string{s.spec.Address}
	}
	return exec.Command(program, append(append([]string{"--bind"}, bind...),
		"--port", strconv.Itoa(s.spec.Port), "--protected-mode", "no",
		"--save", "", "--appendonly", "no",
		"--maxmemory", strconv.FormatInt(MaxMemory.Of(s.spec.Settings), 10), "--maxmemory-policy", "allkeys-lru",
		"--io-threads", "1", "--daemonize", "no",
	)...), nil
}

// Ready pings.
func (s *server) Ready(ctx context.Context) error {
	_, err := s.ask(ctx, "PING")
	return err
}

// Count tells hits_total, misses_total, evictions_total, keys and memory_bytes.
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	info, err := s.ask(ctx, "INFO", "stats", "memory", "keyspace")
	if err != nil {
		return nil, err
	}
	return parseInfo(info)
}

// Work tells how often each command was given. It leaves out commands that only ask
// for the server's state.
func (s *server) Work(ctx context.Context) ([]spec.Work, error) {
	info, err := s.ask(ctx, "INFO", "commandstats")
	if err != nil {
		return nil, err
	}
	return parseCommands(info)
}

// ownCommands are the commands of health checks, agents and new connections.
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

// Close lets go of the connection for questions.
func (s *server) Close() { _ = s.client.Close() }

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
