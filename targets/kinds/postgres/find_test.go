// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"os"
	"path/filepath"
	"testing"
)

// noServers hides what this host has and returns an empty folder that is PATH.
func noServers(t *testing.T) string {
	t.Helper()
	bin, installed := t.TempDir(), pgInstalled
	pgInstalled = filepath.Join(bin, "postgresql")
	t.Cleanup(func() { pgInstalled = installed })
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

func TestServerIsFoundAndTellsItsVersion(t *testing.T) {
	noServers(t)
	server := Kind().Server
	if found, err := server.Find(); err == nil || err.Error() != "PostgreSQL 15 or newer is not installed" {
		t.Errorf("nothing is installed: %s, %v", found, err)
	}
	install(t, pgInstalled+"/17/bin/initdb", "")
	want := install(t, pgInstalled+"/17/bin/postgres", `echo "postgres (PostgreSQL) 17.6"`)
	found, err := server.Find()
	if err != nil || found != want {
		t.Fatalf("got %s, %v; want %s", found, err, want)
	}
	if version, err := server.Version(t.Context(), found); err != nil || version != "postgres (PostgreSQL) 17.6" {
		t.Errorf("version %q, %v", version, err)
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
