// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"
	"path/filepath"
	"testing"

	"headroom/scenarios"
)

// noServers hides what this host has and returns an empty folder that is PATH.
func noServers(t *testing.T) string {
	t.Helper()
	bin, installed, dirs := t.TempDir(), pgInstalled, serverDirs
	pgInstalled, serverDirs = filepath.Join(bin, "postgresql"), nil
	t.Cleanup(func() { pgInstalled, serverDirs = installed, dirs })
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

func TestCheckPrograms(t *testing.T) {
	bin := noServers(t)
	all := []scenarios.Kind{scenarios.KindShop, scenarios.KindPostgres, scenarios.KindHAProxy, scenarios.KindValkey, scenarios.KindPostgres}
	err := CheckPrograms(all)
	const want = "server programs are missing here: haproxy, PostgreSQL 15 or newer, valkey-server or redis-server; " +
		"on Debian install the packages haproxy, postgresql, valkey-server (or redis-server)"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := CheckPrograms([]scenarios.Kind{scenarios.KindShop, scenarios.KindMail}); err != nil {
		t.Errorf("our own programs are missed: %v", err)
	}
	edge := []scenarios.Kind{scenarios.KindNATS, scenarios.KindVarnish, scenarios.KindGateway, scenarios.KindLink, scenarios.KindWorker}
	err = CheckPrograms(edge)
	if err == nil || err.Error() != "server programs are missing here: nats-server, varnishd; on Debian install the packages nats-server, varnish" {
		t.Errorf("error %q", err)
	}
	install(t, bin+"/nats-server", "echo nats-server: v2.10.27")
	install(t, bin+"/varnishd", "echo 'varnishd (varnish-7.7.0 revision 71fc)' >&2; echo Copyright >&2")
	found, err := Versions(t.Context(), edge)
	if err != nil || len(found) != 2 || found["nats-server"] != "nats-server: v2.10.27" || found["varnishd"] != "varnishd (varnish-7.7.0 revision 71fc)" {
		t.Errorf("versions %q, %v", found, err)
	}
	install(t, bin+"/haproxy", "echo HAProxy version 3.0.11; echo more")
	install(t, bin+"/redis-server", "echo Redis server v=7.0.15")
	install(t, pgInstalled+"/17/bin/initdb", "")
	install(t, pgInstalled+"/17/bin/postgres", `echo "postgres (PostgreSQL) 17.6"`)
	if err := CheckPrograms(all); err != nil {
		t.Error(err)
	}
	versions, err := Versions(t.Context(), all)
	if err != nil || len(versions) != 3 || versions["haproxy"] != "HAProxy version 3.0.11" ||
		versions["redis-server"] != "Redis server v=7.0.15" || versions["postgres"] != "postgres (PostgreSQL) 17.6" {
		t.Errorf("versions %q, %v", versions, err)
	}
}

func TestFindPostgres(t *testing.T) {
	bin := noServers(t)
	inPath := install(t, bin+"/postgres", `echo "postgres (PostgreSQL) 14.9 (Debian)"`)
	install(t, bin+"/initdb", "")
	for _, major := range []string{"9", "14"} {
		install(t, filepath.Join(pgInstalled, major, "bin", "postgres"), "")
		install(t, filepath.Join(pgInstalled, major, "bin", "initdb"), "")
	}
	install(t, filepath.Join(pgInstalled, "18", "bin", "postgres"), "") // without initdb
	if got, err := findPostgres(pgInstalled); err == nil {
		t.Errorf("all are too old or half installed, but %s was taken", got)
	}
	install(t, inPath, `echo "postgres (PostgreSQL) 16beta1"`)
	if got, err := findPostgres(pgInstalled); err != nil || got != inPath {
		t.Errorf("got %s, %v; want the one in PATH", got, err)
	}
	var newest string
	for _, major := range []string{"15", "17", "16"} {
		server := install(t, filepath.Join(pgInstalled, major, "bin", "postgres"), "")
		install(t, filepath.Join(pgInstalled, major, "bin", "initdb"), "")
		if major == "17" {
			newest = server
		}
	}
	if got, err := findPostgres(pgInstalled); err != nil || got != newest {
		t.Errorf("got %s, %v; want the newest, %s", got, err, newest)
	}
}

func TestParseMajor(t *testing.T) {
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)": 17, "postgres (PostgreSQL) 16beta1": 16,
		"postgres (PostgreSQL) 15": 15, "postgres (PostgreSQL) devel": 0, "valkey 8": 0, "": 0,
	} {
		if got := parseMajor(text); got != want {
			t.Errorf("parseMajor(%q) = %d, want %d", text, got, want)
		}
	}
}
