// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// programOf is a service of this computer in a folder of its own.
func programOf(t *testing.T, s scenarios.Service) (*program, string) {
	t.Helper()
	data := t.TempDir()
	p := spec.Process{Name: "web", Kind: "service", Address: "127.64.0.9", Port: 8000, Service: &s}
	machineSpec := spec.Spec{Machine: "m", Local: &spec.Local{DataDir: data}, Processes: []spec.Process{p}}
	if err := machineSpec.PutFiles(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(data, "web")
	host := machine.Host{Machine: "m", Dir: dir, Runner: &child.Runner{}, Log: child.NewSyncWriter(&bytes.Buffer{})}
	made, is := Kind().New(p, host).(*program)
	if !is {
		t.Fatal("a service of this computer is no program")
	}
	return made, dir
}

func fileOf(path, content string) scenarios.File {
	sum := sha256.Sum256([]byte(content))
	return scenarios.File{Path: path, From: "own/" + path, SHA256: hex.EncodeToString(sum[:]), Content: []byte(content)}
}

// A command runs in its folder, beside its files and its data, in the environment that
// the scenario says.
func TestCommand(t *testing.T) {
	s, dir := programOf(t, scenarios.Service{
		Command: []string{"sh", "-c", `cat conf/app.txt; echo "$HOST:$PORT $URL"; cd data && pwd -P`},
		Env:     map[string]string{"URL": "redis://cache:6379", "PORT": "9"}, Data: "data",
		Files: []scenarios.File{fileOf("conf/app.txt", "hello\n")}, Ready: scenarios.Ready{TCP: true, Within: 7 * time.Second},
	})
	cmd, err := s.Command(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	real, errReal := filepath.EvalSymlinks(dir)
	if errReal != nil {
		t.Fatal(errReal)
	}
	if want := "hello\n127.64.0.9:9 redis://cache:6379\n" + filepath.Join(real, "data") + "\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
	if got := s.ReadyTimeout(); got != 7*time.Second {
		t.Errorf("may take %v to get ready", got)
	}
}

// What tells a machine and our own programs what to run is not handed on.
func TestCommandInheritsNothingOfOurs(t *testing.T) {
	t.Setenv(spec.EnvSpec, "the machine's")
	t.Setenv(machine.EnvProcess, "a program's")
	t.Setenv("LANG_OF_THE_USER", "en")
	s, _ := programOf(t, scenarios.Service{Command: []string{"true"}})
	cmd, err := s.Command(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cmd.Env, "\n"); strings.Contains(got, spec.EnvSpec) || strings.Contains(got, machine.EnvProcess) || !strings.Contains(got, "LANG_OF_THE_USER=en") {
		t.Errorf("the environment is %q", cmd.Env)
	}
}

func TestCommandRefuses(t *testing.T) {
	file := fileOf("app.txt", "hello\n")
	for want, damage := range map[string]func(s *program, dir string){
		"choose --stage docker": func(s *program, _ string) { s.spec.Service.Command = nil },
		"file app.txt was not put there": func(_ *program, dir string) {
			_ = os.Remove(filepath.Join(dir, "app.txt"))
		},
		"file app.txt does not hold what own/app.txt held": func(_ *program, dir string) {
			_ = os.WriteFile(filepath.Join(dir, "app.txt"), []byte("changed\n"), 0o600)
		},
	} {
		s, dir := programOf(t, scenarios.Service{Command: []string{"true"}, Files: []scenarios.File{file}})
		if _, err := s.Command(t.Context()); err != nil {
			t.Fatal(err)
		}
		damage(s, dir)
		if _, err := s.Command(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

// A command may say whether the service is ready, in the service's folder.
func TestReadyByACommand(t *testing.T) {
	s, dir := programOf(t, scenarios.Service{Command: []string{"true"}, Ready: scenarios.Ready{Command: []string{"test", "-e", "up"}}})
	if _, err := s.Command(t.Context()); err != nil { // makes the folder
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "web ready") {
		t.Errorf("before it is up: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "up"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("once it is up: %v", err)
	}
}

// A program of this computer whose counters can't be read is not ready, and says why.
func TestReadyWithCounters(t *testing.T) {
	e := scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "app_queue"}}
	for path, want := range map[string]string{"/metrics": "", "/elsewhere": "its counters: GET http://127.0.0.1:"} {
		p := serverOf(t, scenarios.Service{Ready: scenarios.Ready{TCP: true}, Counters: &e}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			fmt.Fprintln(w, "other 1") // a counter that the page does not show yet is no fault
		})
		err := Kind().New(p, machine.Host{}).Ready(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "404")) {
			t.Errorf("a page at %s: %v, want %q", path, err, want)
		}
	}
}

// The command that makes a service's data finds the service by the same variables.
func TestSeedEnvironment(t *testing.T) {
	s, _ := programOf(t, scenarios.Service{Command: []string{"true"}, Env: map[string]string{"LEVEL": "2"}})
	got := s.SeedEnv([]string{"LANG=en", spec.EnvSpec + "=ours", machine.EnvProcess + "=ours"})
	if want := []string{"LANG=en", "HOST=127.64.0.9", "PORT=8000", "LEVEL=2"}; !slices.Equal(got, want) {
		t.Errorf("the environment is %q, want %q", got, want)
	}
	if err := s.Seeded(t.Context()); err != nil {
		t.Error(err)
	}
}
