// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"headroom/scenarios"
)

// serverDirs are where to look besides PATH, which does not lead there for users
// who are not root; a variable for the tests.
var serverDirs = []string{"/usr/sbin", "/usr/local/sbin"}

const versionTimeout = 5 * time.Second

// CheckPrograms returns one error that names every server program that the named
// kinds need and this host does not have, and what to install.
func CheckPrograms(kinds []Kind, names []scenarios.KindName) error {
	var missing, packages []string
	for _, kind := range servers(kinds, names) {
		if _, err := kind.Server.Find(); err != nil {
			missing = append(missing, kind.Facts.Server.Program)
			packages = append(packages, kind.Facts.Server.Install)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("server programs are missing here: %s; on Debian install the packages %s",
		strings.Join(missing, ", "), strings.Join(packages, ", "))
}

// Versions returns what the server programs of the named kinds say they are.
func Versions(ctx context.Context, kinds []Kind, names []scenarios.KindName) (map[string]string, error) {
	versions := map[string]string{}
	for _, kind := range servers(kinds, names) {
		program, err := kind.Server.Find()
		if err != nil {
			return nil, err
		}
		if versions[filepath.Base(program)], err = kind.Server.Version(ctx, program); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// servers are the named kinds that have a server program, by name, each once.
func servers(kinds []Kind, names []scenarios.KindName) []Kind {
	var found []Kind
	for _, k := range kinds {
		if k.Server != nil && slices.Contains(names, k.Name) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// FindProgram returns the path of the first of the programs that is there.
func FindProgram(names ...string) (string, error) {
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

// VersionBy asks a program for its version by a flag. The answer's first line
// counts. Some programs answer on standard error alone.
func VersionBy(flag string) func(ctx context.Context, path string) (string, error) {
	return func(ctx context.Context, path string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, versionTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, flag)
		var answer, aside bytes.Buffer
		cmd.Stdout, cmd.Stderr = &answer, &aside
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s %s: %w", path, flag, err)
		}
		line := cmp.Or(firstLine(answer.String()), firstLine(aside.String()))
		if line == "" {
			return "", errors.New(path + " does not say its version")
		}
		return line, nil
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
