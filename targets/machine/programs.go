// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"headroom/scenarios"
)

// Where to look besides PATH; variables for the tests.
var (
	pgInstalled = "/usr/lib/postgresql"                    // Debian's: a folder a major version
	serverDirs  = []string{"/usr/sbin", "/usr/local/sbin"} // the PATH of users who are not root does not lead there
)

const (
	pgLeastMajor = 15 // the counters' queries need its views
	versionLimit = 5 * time.Second
)

// CheckPrograms returns one error that names every server program that these
// kinds need and this host does not have, and what to install.
func CheckPrograms(kinds []scenarios.Kind) error {
	var missing, packages []string
	for _, kind := range sortedKinds(kinds) {
		if _, err := find(kind); err != nil {
			server := kind.Facts().Server
			missing = append(missing, server.Program)
			packages = append(packages, server.Packages)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("server programs are missing here: %s; on Debian install the packages %s",
		strings.Join(missing, ", "), strings.Join(packages, ", "))
}

// Versions returns what the server programs of these kinds say they are.
func Versions(ctx context.Context, kinds []scenarios.Kind) (map[string]string, error) {
	versions := map[string]string{}
	for _, kind := range sortedKinds(kinds) {
		program, err := find(kind)
		if err != nil {
			return nil, err
		}
		if versions[filepath.Base(program)], err = versionOf(ctx, kind, program); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// sortedKinds returns the kinds that are servers, each once.
func sortedKinds(kinds []scenarios.Kind) []scenarios.Kind {
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k scenarios.Kind) bool { return k.Facts().Server == nil })
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// find returns the path of a kind's server program.
func find(kind scenarios.Kind) (string, error) {
	switch kind {
	case scenarios.KindPostgres:
		return findPostgres(pgInstalled)
	case scenarios.KindValkey:
		return findProgram("valkey-server", "redis-server")
	case scenarios.KindHAProxy:
		return findProgram("haproxy")
	case scenarios.KindVarnish:
		return findProgram("varnishd")
	case scenarios.KindNATS:
		return findProgram("nats-server")
	}
	return "", fmt.Errorf("%s is no server program", kind)
}

// findProgram returns the first of the programs that is there.
func findProgram(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, dir := range serverDirs {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not installed", strings.Join(names, " or "))
}

// findPostgres returns the newest server below installed that has its initdb
// beside it, or else the one in PATH.
func findPostgres(installed string) (string, error) {
	servers, _ := filepath.Glob(filepath.Join(installed, "*", "bin", "postgres"))
	slices.SortFunc(servers, func(a, b string) int { return cmp.Compare(majorOf(b), majorOf(a)) })
	for _, server := range servers {
		if majorOf(server) >= pgLeastMajor && hasInitdb(server) {
			return server, nil
		}
	}
	if server, err := exec.LookPath("postgres"); err == nil {
		server, err = filepath.EvalSymlinks(server)
		if err == nil && hasInitdb(server) && versionInPath(server) >= pgLeastMajor {
			return server, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %d or newer is not installed", pgLeastMajor)
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
	text, err := versionOf(context.Background(), scenarios.KindPostgres, server)
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

// versionOf asks the program; its answer's first line counts.
func versionOf(ctx context.Context, kind scenarios.Kind, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	ask := "--version"
	switch kind {
	case scenarios.KindHAProxy:
		ask = "-v"
	case scenarios.KindVarnish:
		ask = "-V"
	}
	cmd := exec.CommandContext(ctx, program, ask)
	var answer bytes.Buffer
	cmd.Stdout = &answer
	if kind == scenarios.KindVarnish {
		cmd.Stderr = &answer
	}
	err := cmd.Run()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, ask, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(answer.String()), "\n")
	if line == "" {
		return "", errors.New(program + " does not say its version")
	}
	return line, nil
}
