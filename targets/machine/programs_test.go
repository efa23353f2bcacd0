// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/scenarios"
)

// noServers hides what this host has and returns an empty folder that is PATH.
func noServers(t *testing.T) string {
	t.Helper()
	bin, dirs := t.TempDir(), serverDirs
	serverDirs = nil
	t.Cleanup(func() { serverDirs = dirs })
	t.Setenv("PATH", bin)
	return bin
}

func install(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// serverKind is a kind that is one of the programs, told its version by the flag.
func serverKind(name scenarios.KindName, program, packages, flag string, programs ...string) Kind {
	return Kind{
		Kind:   scenarios.Kind{Name: name, Facts: scenarios.Facts{Server: &scenarios.Server{Program: program, Install: packages}}},
		Server: &Server{Find: func() (string, error) { return FindProgram(programs...) }, Version: VersionBy(flag)},
	}
}

func TestCheckPrograms(t *testing.T) {
	bin := noServers(t)
	kinds := []Kind{
		serverKind("valkey", "valkey-server or redis-server", "valkey-server (or redis-server)", "--version", "valkey-server", "redis-server"),
		serverKind("varnish", "varnishd", "varnish", "-V", "varnishd"),
		serverKind("postgres", "PostgreSQL 15 or newer", "postgresql", "--version", "postgres"),
		serverKind("nats", "nats-server", "nats-server", "--version", "nats-server"),
		serverKind("haproxy", "haproxy", "haproxy", "-v", "haproxy"),
		abacus("shop"), abacus("mail"), abacus("gateway"), abacus("link"), abacus("worker"),
	}
	all := []scenarios.KindName{"shop", "postgres", "haproxy", "valkey", "postgres"}
	err := CheckPrograms(kinds, all)
	const want = "server programs are missing here: haproxy, PostgreSQL 15 or newer, valkey-server or redis-server; " +
		"on Debian install the packages haproxy, postgresql, valkey-server (or redis-server)"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := CheckPrograms(kinds, []scenarios.KindName{"shop", "mail"}); err != nil {
		t.Errorf("our own programs are missed: %v", err)
	}
	edge := []scenarios.KindName{"nats", "varnish", "gateway", "link", "worker"}
	err = CheckPrograms(kinds, edge)
	if err == nil || err.Error() != "server programs are missing here: nats-server, varnishd; on Debian install the packages nats-server, varnish" {
		t.Errorf("error %q", err)
	}
	if _, err := Versions(t.Context(), kinds, edge); err == nil || err.Error() != "nats-server is not installed" {
		t.Errorf("versions of what is missing: %v", err)
	}
	install(t, bin+"/nats-server", "echo nats-server: v2.10.27")
	install(t, bin+"/varnishd", "echo 'varnishd (varnish-7.7.0 revision 71fc)' >&2; echo Copyright >&2")
	found, err := Versions(t.Context(), kinds, edge)
	if err != nil || len(found) != 2 || found["nats-server"] != "nats-server: v2.10.27" || found["varnishd"] != "varnishd (varnish-7.7.0 revision 71fc)" {
		t.Errorf("versions %q, %v", found, err)
	}
	install(t, bin+"/haproxy", "echo HAProxy version 3.0.11; echo more")
	install(t, bin+"/redis-server", "echo Redis server v=7.0.15")
	install(t, bin+"/postgres", `echo "postgres (PostgreSQL) 17.6"`)
	if err := CheckPrograms(kinds, all); err != nil {
		t.Error(err)
	}
	versions, err := Versions(t.Context(), kinds, all)
	if err != nil || len(versions) != 3 || versions["haproxy"] != "HAProxy version 3.0.11" ||
		versions["redis-server"] != "Redis server v=7.0.15" || versions["postgres"] != "postgres (PostgreSQL) 17.6" {
		t.Errorf("versions %q, %v", versions, err)
	}
}

func TestVersionBy(t *testing.T) {
	bin := noServers(t)
	for script, want := range map[string]string{
		`echo "$1"`:                              "-v",
		"echo; echo one; echo two":               "one",
		"echo a warning >&2; echo version 2":     "version 2", // what is said aside does not count ...
		"echo version 3 >&2; echo nobody >&2":    "version 3", // ... unless there is nothing else
		"echo ' '":                               "error: does not say its version",
		"echo version 4; echo broken >&2; false": "error: exit status 1",
	} {
		program := install(t, bin+"/program", script)
		got, err := VersionBy("-v")(t.Context(), program)
		text, fails := strings.CutPrefix(want, "error: ")
		if fails != (err != nil) || !fails && got != want || fails && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q, %v, want %q", script, got, err, want)
		}
	}
}
