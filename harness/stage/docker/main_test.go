// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"headroom/harness/stage"
	"headroom/internal/dockertest"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine/spec"
)

// testImage holds testdata/fakemachine as its headroom binary.
var testImage = fmt.Sprintf("headroom/fakemachine:test-%d", os.Getpid())

// TestMain is also the reaper, and the owner that a test kills, because both
// are children of the test's process.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "reap":
		exitWith(Reap(context.Background(), os.Args[2], os.Stdin))
	case len(os.Args) == 4 && os.Args[1] == "own":
		exitWith(own(os.Args[2], os.Args[3]))
	}
	code := m.Run()
	if err := removeTestImage(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// own holds a run with a running system until it is killed.
func own(runID, image string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Open(ctx, Options{RunID: runID, Image: image, UnitCPUs: testUnitCPUs, Period: testPeriod})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if _, err := s.Start(ctx, testRequest(scenarios.Before, singleMachine(nil))); err != nil {
		return err
	}
	fmt.Println("running")
	<-ctx.Done()
	return ctx.Err()
}

// connect returns the engine's client, or skips the test.
func connect(t *testing.T) *client.Client {
	t.Helper()
	return dockertest.Connect(t, Connect)
}

var buildImage = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "fakemachine")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "headroom")
	build := exec.Command("go", "build", "-o", binary, "./testdata/fakemachine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	cli, err := Connect(context.Background())
	if err != nil {
		return err
	}
	defer cli.Close()
	return importImage(cli, program)
})

func importImage(cli *client.Client, program []byte) error {
	var tree bytes.Buffer
	w := tar.NewWriter(&tree)
	for _, file := range []struct {
		name    string
		mode    int64
		content []byte
	}{
		{"usr/local/bin/headroom", 0o755, program},
		{strings.TrimPrefix(spec.VersionsTxt, "/"), 0o644, []byte("postgresql-17 17.6-0+deb13u1\nvalkey-server 8.1.1-1\n")},
	} {
		if err := w.WriteHeader(&tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content))}); err != nil {
			return err
		}
		if _, err := w.Write(file.content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The exposed port stands for an image that would publish more than it is told.
	result, err := cli.ImageImport(ctx, client.ImageImportSource{Source: &tree, SourceName: "-"}, testImage, client.ImageImportOptions{
		Changes: []string{`ENTRYPOINT ["headroom", "machine"]`, `EXPOSE 7777`},
	})
	if err != nil {
		return err
	}
	defer result.Close()
	_, err = io.Copy(io.Discard, result)
	return err
}

func removeTestImage() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	cli, err := Connect(ctx)
	if err != nil {
		return nil // then no test made one
	}
	defer cli.Close()
	if _, err := cli.ImageInspect(ctx, testImage); err != nil {
		return nil
	}
	_, err = cli.ImageRemove(ctx, testImage, client.ImageRemoveOptions{Force: true})
	return err
}

// openStage opens a stage of the fake image; the test's end closes it and
// proves that nothing is left.
func openStage(t *testing.T) *Stage {
	t.Helper()
	cli := connect(t)
	if err := buildImage(); err != nil {
		t.Fatalf("build the test image: %v", err)
	}
	runID := newRunID(t)
	s, err := Open(t.Context(), Options{
		RunID: runID, Image: testImage, DatasetVersion: runID, Progress: testLog{t}, UnitCPUs: testUnitCPUs, Period: testPeriod,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, cli, runID)
	})
	return s
}

// newRunID is unique among all tests that use the engine.
func newRunID(t *testing.T) string {
	name := strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	return fmt.Sprintf("test-%d-%d-%s", os.Getpid(), time.Now().UnixNano()%1e9, name[:min(len(name), 8)])
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// leftOf lists everything that carries the run's id.
func leftOf(t *testing.T, cli *client.Client, runID string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var left []string
	note := func(filters client.Filters) func(map[string]string) bool {
		return func(labels map[string]string) bool {
			left = append(left, fmt.Sprintf("%v %v", filters, labels))
			return false // list only
		}
	}
	filters := labelled(labelRun, runID)
	if _, err := removeAll(ctx, cli, filters, note(filters)); err != nil {
		t.Fatal(err)
	}
	return left
}

// checkNothingLeft fails when something of the run is left. A network that the
// engine does not give up although nothing is in it does not count: that is the
// engine's own miscount, and Close has warned of it.
func checkNothingLeft(t *testing.T, cli *client.Client, runID string) {
	t.Helper()
	left := leftOf(t, cli, runID)
	if len(left) == 0 {
		return
	}
	removed, err := removeRun(context.Background(), cli, runID)
	if len(removed) == 0 && errors.Is(err, ErrStuckNetwork) {
		t.Log(err)
		return
	}
	t.Errorf("left after Close: %q", left)
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, within time.Duration, condition func() bool) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

// testUnitCPUs gives the machines more than a run would. When the hypervisor stops
// this machine for a while, the kernel charges the quotas for that time, and a
// machine with a small quota stands still for seconds.
const (
	testUnitCPUs = 0.5
	testPeriod   = 10 * time.Millisecond // of the machines' CPU quotas
)

func testRequest(v scenarios.Variant, t scenarios.Topology) stage.Request {
	return stage.Request{Variant: v, Topology: t, Instance: "b1", ReadyTimeout: 30 * time.Second}
}

// startWithQuotas starts a system whose CPUs are limited, as a run's are once the
// system is warm.
func startWithQuotas(t *testing.T, s *Stage, r stage.Request) *System {
	t.Helper()
	started, err := s.Start(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	sys := started.(*System)
	if err := sys.SetCPUQuotas(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sys
}

// containerOf is the container of a machine.
func containerOf(t *testing.T, sys *System, machine string) string {
	t.Helper()
	for i, m := range sys.machines {
		if m.Name == machine {
			return sys.containers[i]
		}
	}
	t.Fatalf("no machine %s", machine)
	return ""
}

// singleMachine is a topology of one machine whose process has the settings.
func singleMachine(settings map[string]string) scenarios.Topology {
	return scenarios.Topology{
		Label: "single",
		Entry: "server/shop",
		Machines: []scenarios.Machine{{
			Name: "server", Group: "server", VCPU: 2, MemoryGiB: 0.25,
			Processes: []scenarios.Process{processOf("shop", settings)},
		}},
	}
}

// processOf is a process named as its kind, with the kind's facts and with these
// settings; nil are the kind's defaults.
func processOf(name scenarios.KindName, settings map[string]string, links ...scenarios.Link) scenarios.Process {
	kind, ok := scenarios.KindOf(kinds.Data(), name)
	if !ok {
		panic("there is no kind " + name)
	}
	p := kind.Process(string(name))
	if settings != nil {
		p.Settings = settings
	}
	p.Links = links
	return p
}

func contextThatIsOver(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
