// SPDX-License-Identifier: Apache-2.0

package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// server runs HAProxy as the balancer in front of the apps, or of gateways to
// them. SIGTERM stops it at once, with no grace for idle connections.
type server struct {
	spec spec.Process
	dir  string // its configuration and runtime socket
}

func (s *server) socket() string { return filepath.Join(s.dir, "haproxy.sock") }

// Command writes the configuration.
func (s *server) Command(context.Context) (*exec.Cmd, error) {
	config, err := configOf(s.spec, s.socket(), os.Geteuid() == 0)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	program, err := find()
	if err != nil {
		return nil, err
	}
	return exec.Command(program, "-db", "-f", path), nil
}

func find() (string, error) { return machine.FindProgram("haproxy") }

const frontend = "users"

// pool is a group of servers, in HAProxy's words a backend.
type pool struct {
	name   string
	server string         // names of its servers begin so
	role   scenarios.Role // of the process's links to them
	path   string         // whose requests it gets; "" is all that no other gets
}

// pools are all possible pools. The first must have servers; each other pool is left
// out when it has no links.
var pools = []pool{
	{"apps", "app", scenarios.RoleBackends, ""},
	{"api-orders", "orders", scenarios.RoleOrders, "/api/orders"},
	{"api-users", "users", scenarios.RoleUsers, "/api/users"},
	{"api-search", "search", scenarios.RoleSearch, "/api/search"},
}

// configOf writes the configuration. HAProxy resolves a name at its start, when the
// name's machine is there already, and else later by the container's own name server.
// dropRoot makes HAProxy run as its own user.
func configOf(p spec.Process, socket string, dropRoot bool) (string, error) {
	if len(p.Links[scenarios.RoleBackends]) == 0 {
		return "", errors.New("has no backends")
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	writeHead(line, socket, dropRoot)
	line("frontend %s", frontend)
	line("    bind %s", p.Listen())
	for _, pool := range pools {
		if pool.path != "" && len(p.Links[pool.role]) > 0 {
			line("    use_backend %s if { path_beg %s }", pool.name, pool.path)
		}
	}
	line("    default_backend %s", pools[0].name)
	checked := make(map[string]string) // address -> who checks its health
	for _, pool := range pools {
		if err := writePool(line, pool, p, checked); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// writePool writes one backend. HAProxy checks the health of a server in several
// pools once: the other pools follow that check.
func writePool(line func(string, ...any), pool pool, p spec.Process, checked map[string]string) error {
	addresses := p.Links[pool.role]
	if len(addresses) == 0 {
		return nil
	}
	line("")
	line("backend %s", pool.name)
	line("    balance %s", Balance.Of(p.Settings))
	line("    option httpchk GET /health")
	line("    default-server inter 2s fastinter 500ms downinter 500ms fall 3 rise 1")
	for i, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("backend %q: not host:port", address)
		}
		name := pool.server + strconv.Itoa(i+1)
		options := " check"
		if by := checked[address]; by != "" {
			options = " track " + by
		} else {
			checked[address] = pool.name + "/" + name
		}
		if _, err := netip.ParseAddr(host); err != nil {
			options += " init-addr libc,none resolvers container"
		}
		line("    server %s %s%s", name, net.JoinHostPort(host, port), options)
	}
	return nil
}

func writeHead(line func(string, ...any), socket string, dropRoot bool) {
	line("global")
	line("    nbthread 1")
	line("    maxconn 4096") // two file descriptors each: below the 20,000 that some engines allow
	if dropRoot {
		line("    user haproxy")
		line("    group haproxy")
	}
	line("    stats socket %s mode 600 level operator", socket)
	line("")
	line("defaults")
	line("    mode http")
	line("    timeout connect 2s")
	line("    timeout client 60s")
	line("    timeout server 60s")
	line("    timeout queue 30s")
	line("    timeout http-keep-alive 60s")
	line("    http-reuse safe")
	line("")
	line("resolvers container")
	line("    parse-resolv-conf")
	line("    hold valid 60s") // how long between two questions
	line("")
}

// Ready asks the runtime socket only: a connection to the port would count as a
// failed request.
func (s *server) Ready(ctx context.Context) error {
	rows, err := s.stats(ctx)
	if err != nil {
		return err
	}
	return allUp(rows)
}

// allUp demands an open port and a passed health check of every backend. HAProxy
// calls a server up before its first check. And a balancer that knows only some of
// its apps is not the scenario's topology.
func allUp(rows []map[string]string) error {
	open, servers := false, 0
	for _, row := range rows {
		if row["pxname"] == frontend && row["svname"] == "FRONTEND" {
			open = row["status"] == "OPEN"
		}
		if !isPool(row["pxname"]) || row["svname"] == "BACKEND" {
			continue
		}
		servers++
		check := row["check_status"]
		follows := row["tracked"] != "" // and so has no check of its own
		if row["status"] != "UP" || !follows && check != "L7OK" {
			return fmt.Errorf("backend %s (%s) is %s, its health check says %q", row["svname"], row["addr"], row["status"], check)
		}
	}
	if !open || servers == 0 {
		return fmt.Errorf("its statistics show %d backends and an open port: %t", servers, open)
	}
	return nil
}

func isPool(name string) bool {
	return slices.ContainsFunc(pools, func(p pool) bool { return p.name == name })
}

// Count tells requests_total, errors_total and queue: requests that wait for a free
// backend.
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	rows, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	return countsOf(rows)
}

// maxStatBytes bounds the answer to "show stat": about 500 bytes a server.
const maxStatBytes = 1 << 20

const statTimeout = 3 * time.Second // for one question to the runtime socket

// stats asks the runtime socket.
func (s *server) stats(ctx context.Context) ([]map[string]string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", s.socket())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(statTimeout)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return nil, err
	}
	return parseStats(io.LimitReader(conn, maxStatBytes))
}

// parseStats reads the CSV of "show stat", one map by column a row.
func parseStats(r io.Reader) ([]map[string]string, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1 // the header ends in a comma that rows may not have
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("show stat: no header: %w", err)
	}
	name, found := strings.CutPrefix(header[0], "# ")
	if !found {
		return nil, fmt.Errorf("show stat: answers %q, not a table", header[0])
	}
	header[0] = name
	var rows []map[string]string
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("show stat: %w", err)
		}
		row := make(map[string]string, len(header))
		for i, column := range header[:min(len(header), len(record))] {
			row[column] = record[i]
		}
		rows = append(rows, row)
	}
}

// countsOf picks the counters: requests as users sent them, what failed
// between HAProxy and either side, and requests that wait for a free backend.
func countsOf(rows []map[string]string) (map[string]float64, error) {
	counts := make(map[string]float64)
	add := func(row map[string]string, name string, columns ...string) error {
		for _, column := range columns {
			value, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				return fmt.Errorf("show stat: %s of %s is %q, not a number", column, row["pxname"], row[column])
			}
			counts[name] += value
		}
		return nil
	}
	for _, row := range rows {
		var err error
		switch {
		case row["pxname"] == frontend && row["svname"] == "FRONTEND":
			err = errors.Join(add(row, "requests_total", "req_tot"), add(row, "errors_total", "ereq"))
		case isPool(row["pxname"]) && row["svname"] == "BACKEND":
			err = errors.Join(add(row, "errors_total", "econ", "eresp"), add(row, "queue", "qcur"))
		}
		if err != nil {
			return nil, err
		}
	}
	if len(counts) != 3 {
		return nil, fmt.Errorf("show stat: frontend %s or every backend is missing", frontend)
	}
	return counts, nil
}

// Close has nothing to let go of: each question has its own connection.
func (s *server) Close() {}
