// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"headroom/internal/child"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// program is a command of this computer. It works in its process's own folder, where
// the stage has put its files.
type program struct {
	*prober
	host machine.Host
}

// Command checks that the files are there, and makes the folder of the data.
func (s *program) Command(context.Context) (*exec.Cmd, error) {
	service := s.spec.Service
	if len(service.Command) == 0 {
		return nil, errors.New("no command is said: an image needs a container; write command:, or choose --stage docker")
	}
	if err := os.MkdirAll(spec.Below(s.host.Dir, service.Data), 0o755); err != nil {
		return nil, err
	}
	for _, f := range service.Files {
		content, err := os.ReadFile(spec.Below(s.host.Dir, f.Path))
		if err != nil {
			return nil, fmt.Errorf("file %s was not put there: %w", f.Path, err)
		}
		if found := sha256.Sum256(content); hex.EncodeToString(found[:]) != f.SHA256 {
			return nil, fmt.Errorf("file %s does not hold what %s held when the scenario was read", f.Path, f.From)
		}
	}
	return s.command(service.Command), nil
}

// command is a program in the service's folder and environment. Machines share this
// computer, and differ by their addresses: HOST and PORT say where to listen, unless
// the scenario says something else by these names.
func (s *program) command(words []string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = s.host.Dir
	cmd.Env = s.environment(cmd.Environ())
	return cmd
}

// environment is the service's, made of this program's own.
func (s *program) environment(environ []string) []string {
	env := append(slices.DeleteFunc(environ, isOurs), "HOST="+s.spec.Address, "PORT="+strconv.Itoa(s.spec.Port))
	for _, name := range slices.Sorted(maps.Keys(s.spec.Service.Env)) {
		env = append(env, name+"="+s.spec.Service.Env[name])
	}
	return env
}

// SeedEnv is the service's own environment: the seed command finds what the service
// finds.
func (s *program) SeedEnv(environ []string) []string { return s.environment(environ) }

// Seeded has nothing to put in order: the command has made the data as they are to be.
func (*program) Seeded(context.Context) error { return nil }

// isOurs says whether a variable holds the spec of one of our own programs. A service
// must not see it: it may hold the secrets of others.
func isOurs(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return name == spec.EnvSpec || name == machine.EnvProcess
}

// Ready is nil once the service answers as the scenario says, or a command of its own
// ends well, and its counters can be read.
func (s *program) Ready(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return machine.CheckCounts(ctx, s)
}

func (s *program) ready(ctx context.Context) error {
	words := s.spec.Service.Ready.Command
	if len(words) == 0 {
		return s.probe(ctx)
	}
	return s.host.Runner.Run(ctx, s.command(words), child.Options{Name: s.spec.Name + " ready"})
}
