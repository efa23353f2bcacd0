// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
	"headroom/targets/shop/mail"
)

// TestMain is also everything that the stage starts, as the headroom command
// is: real machines, whose only process is the mail provider's stand-in, which
// needs no server program. And it is the owner that a test kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		if err := command(os.Args[1], os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(name string, args []string) error {
	if name == "serve" { // as a program would that knows nothing of headroom
		return serve()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, err := child.FollowLifeline(ctx)
	if err != nil {
		return err
	}
	switch name {
	case "machine":
		s, err := machine.SpecFromEnv(kinds.All())
		if err != nil {
			return err
		}
		if s.Seed != nil && s.Processes[0].Service == nil {
			why, _ := os.ReadFile(filepath.Join(s.Seed.FilesDir, "sql", "why.txt")) // where there is one
			return fmt.Errorf("initdb: out of luck %s", why)
		}
		if s.Processes[0].Settings["kills"] != "" { // the machine that this one needs
			if err := os.WriteFile("../die", nil, 0o600); err != nil {
				return err
			}
		}
		delete(s.Processes[0].Settings, "kills") // no kind has such a setting
		if s.Processes[0].Settings["ready"] == "never" {
			fmt.Fprintln(os.Stderr, "the process waits for Godot")
			<-ctx.Done()
			return nil
		}
		if _, dies := s.Processes[0].Settings["dies"]; dies {
			delete(s.Processes[0].Settings, "dies")
			go func() {
				for _, err := os.Stat("../die"); err != nil; _, err = os.Stat("../die") {
					time.Sleep(10 * time.Millisecond)
				}
				fmt.Fprintln(os.Stderr, "the disk is full")
				os.Exit(3)
			}()
		}
		return machine.Run(ctx, kinds.All(), s, os.Stderr)
	case "mail":
		var p spec.Process
		if err := json.Unmarshal([]byte(os.Getenv(machine.EnvProcess)), &p); err != nil {
			return err
		}
		config, err := mail.ConfigFromProcess(p)
		if err != nil {
			return err
		}
		return mail.Run(ctx, config, os.Stderr)
	case "own":
		return own(ctx, args[0])
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "wait":
		fmt.Print("so far")
		if err := os.WriteFile("waiting", nil, 0o600); err != nil {
			return err
		}
		<-ctx.Done()
		fmt.Print(" and no further")
		return nil
	}
	return fmt.Errorf("unknown command %q", name)
}

// serve tells what is in its file, what it is to talk to, and what a command has put
// among its data.
func serve() error {
	file, err := os.ReadFile("etc/conf")
	if err != nil {
		return err
	}
	said := fmt.Sprintf("%s, next %s", file, os.Getenv("NEXT"))
	if rows, err := os.ReadFile("rows/kept"); err == nil {
		said += ", with " + string(rows)
	}
	address := net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, said) }))
}

// own holds a run with a running system until it is killed.
func own(ctx context.Context, cache string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := Open(ctx, Options{CacheDir: cache})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	sys, err := s.Start(ctx, stage.Request{Variant: scenarios.Before, Topology: pair(nil)})
	if err != nil {
		return err
	}
	fmt.Println(s.folder, sys.(*System).machines[0].child.PID)
	<-ctx.Done()
	return ctx.Err()
}

// pair is a topology of two machines, the entry linked to the other, which has
// the settings.
func pair(settings map[string]string) scenarios.Topology {
	all := map[string]string{"delay": "1ms"}
	for k, v := range settings {
		all[k] = v
	}
	return scenarios.Topology{Label: "pair", Entry: "front/mail", Machines: []scenarios.Machine{
		{Name: "front", Group: "front", VCPU: 1, Processes: []scenarios.Process{
			processOf("mail", map[string]string{"delay": "1ms"}, scenarios.Link{Role: "next", To: []string{"back/mail"}}),
		}},
		{Name: "back", Group: "back", VCPU: 1, External: true, Processes: []scenarios.Process{processOf("mail", all)}},
	}}
}

// processOf is a process named as its kind, with the kind's facts and with these
// settings.
func processOf(name scenarios.KindName, settings map[string]string, links ...scenarios.Link) scenarios.Process {
	kind, ok := scenarios.KindOf(kinds.Data(), name)
	if !ok {
		panic("there is no kind " + name)
	}
	p := kind.Process(string(name))
	p.Settings, p.Links = settings, links
	return p
}

// openStage opens a stage in a cache of its own; the test's end closes it and
// proves that nothing is left.
func openStage(t *testing.T) *Stage {
	t.Helper()
	s, err := Open(t.Context(), Options{CacheDir: cacheDir(t), Progress: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		checkGone(t, s.folder)
	})
	return s
}

// cacheDir is short, unlike t.TempDir: sockets are made in it.
func cacheDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// checkGone demands that the folder and all that belongs to it end soon.
func checkGone(t *testing.T, folder string) {
	t.Helper()
	eventually(t, "no process belongs to "+folder, 15*time.Second, func() bool { return len(belonging(t, folder)) == 0 })
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", folder, err)
	}
}

// belonging finds the folder's processes independently of the code under test.
func belonging(t *testing.T, folder string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		environment, err := os.ReadFile("/proc/" + entry.Name() + "/environ")
		if err == nil && strings.Contains(string(environment), child.EnvFolder+"="+folder) {
			pids = append(pids, pid)
		}
	}
	return pids
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, within time.Duration, condition func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}
