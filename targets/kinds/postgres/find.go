// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"headroom/targets/machine"
)

// pgInstalled is where Debian has a folder for each major version; a variable for
// the tests.
var pgInstalled = "/usr/lib/postgresql"

const pgMinMajor = 15 // the counters' queries need its views

func find() (string, error) { return findPostgres(pgInstalled) }

// version is what a server says of itself.
func version(ctx context.Context, path string) (string, error) {
	return machine.VersionBy("--version")(ctx, path)
}

// findPostgres returns the newest server below installed that has its initdb
// beside it, or else the one in PATH.
func findPostgres(installed string) (string, error) {
	servers, _ := filepath.Glob(filepath.Join(installed, "*", "bin", "postgres"))
	slices.SortFunc(servers, func(a, b string) int { return cmp.Compare(majorOf(b), majorOf(a)) })
	for _, server := range servers {
		if majorOf(server) >= pgMinMajor && hasInitdb(server) {
			return server, nil
		}
	}
	if server, err := exec.LookPath("postgres"); err == nil {
		server, err = filepath.EvalSymlinks(server)
		if err == nil && hasInitdb(server) && versionInPath(server) >= pgMinMajor {
			return server, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %d or newer is not installed", pgMinMajor)
}

// majorOf reads .../17/bin/postgres.
func majorOf(server string) int {
	major, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(server))))
	return major
}

func hasInitdb(server string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(server), "initdb"))
	return err == nil
}

// versionInPath is the major version that a server says it is, 0 when it does
// not say one.
func versionInPath(server string) int {
	text, err := version(context.Background(), server)
	if err != nil {
		return 0
	}
	return parseMajor(text)
}

// parseMajor reads "postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)".
func parseMajor(version string) int {
	_, rest, _ := strings.Cut(version, "(PostgreSQL) ")
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	major, _ := strconv.Atoi(digits)
	return major
}
