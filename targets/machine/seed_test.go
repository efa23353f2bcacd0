// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// seedable is a program whose data a command may make: it keeps what it is told in
// its folder.
type seedable struct {
	scriptProgram
	host   Host
	seeded func(dir string) error
}

func (s seedable) Command(ctx context.Context) (*exec.Cmd, error) {
	if err := os.MkdirAll(s.host.Dir, 0o755); err != nil {
		return nil, err
	}
	cmd, err := s.scriptProgram.Command(ctx)
	cmd.Dir = s.host.Dir
	return cmd, err
}

func (s seedable) SeedEnv(environ []string) []string {
	return append(environ, "KEPT="+filepath.Join(s.host.Dir, "kept"))
}

func (s seedable) Seeded(context.Context) error { return s.seeded(s.host.Dir) }

func (s seedable) StopSignal() syscall.Signal { return syscall.SIGINT }

// seedableKind runs a script; what it is like the test says.
func seedableKind(text string, seeded func(dir string) error) []Kind {
	return []Kind{{
		Kind: scenarios.Kind{Name: "store", Port: 1},
		New: func(_ spec.Process, h Host) Program {
			return seedable{scriptProgram: scriptProgram{script{text: text}}, host: h, seeded: seeded}
		},
	}}
}

// Ready says that the script can be stopped well.
func (s seedable) Ready(context.Context) error {
	_, err := os.Stat(filepath.Join(s.host.Dir, "up"))
	return err
}

// endsWell runs until it is asked to stop.
const endsWell = "trap 'echo stopped >> log; exit 0' INT; touch up; while :; do sleep 0.02; done"

func tidy(dir string) error {
	return os.WriteFile(filepath.Join(dir, "tidy"), nil, 0o600)
}

func seedSpec(dir string, command ...string) spec.Spec {
	return spec.Spec{
		Machine:   "seed",
		Processes: []spec.Process{{Name: "db", Kind: "store", Port: 1}},
		Seed:      &spec.Seed{Dir: dir, Key: strings.Join(command, " "), Command: command},
	}
}

// Data are made beside the running process, put in order, and kept once the process
// has stopped; a process then begins with a copy of its own.
func TestMakeDatasetAndBeginWithIt(t *testing.T) {
	dir, machineDir := t.TempDir(), t.TempDir()
	s := seedSpec(dir, "sh", "-c", `echo rows > "$KEPT"`)
	var out bytes.Buffer
	if err := Run(t.Context(), seedableKind(endsWell, tidy), s, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	data := filepath.Join(dir, dataDir)
	for name, want := range map[string]string{"kept": "rows\n", "log": "stopped\n", "tidy": ""} {
		if got, err := os.ReadFile(filepath.Join(data, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, seedingDir)); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	own := filepath.Join(machineDir, "db")
	begin := func(key string) error {
		return datasetCopier(&spec.Dataset{Dir: dir, Key: key}, own, &child.Runner{}, child.NewSyncWriter(&out))(t.Context())
	}
	if err := begin("another"); err == nil || !strings.Contains(err.Error(), "holds another dataset") {
		t.Errorf("another dataset: %v", err)
	}
	if err := begin(s.Seed.Key); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(own, "kept")
	if err := os.WriteFile(kept, []byte("written since"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := begin(s.Seed.Key); err != nil { // as a process that starts again
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(kept); string(got) != "written since" {
		t.Errorf("after a second start: %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(data, "kept")); string(got) != "rows\n" {
		t.Errorf("the dataset itself: %q", got)
	}
	if datasetCopier(nil, own, nil, nil) != nil {
		t.Error("a process without a dataset begins with something")
	}
}

// The word headroom is this very program, wherever it stands.
func TestSeedCommandNamesUs(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"headroom": self, "echo": "echo"} {
		m := maker{dir: "/d", spec: seedSpec("/d", command, "a", "b")}
		cmd, err := m.command([]string{"PGHOST=x"})
		if err != nil || cmd.Args[0] != want || len(cmd.Args) != 3 || cmd.Dir != "/d" || cmd.Env[len(cmd.Env)-1] != "PGHOST=x" {
			t.Errorf("%s: %v, %v", command, cmd, err)
		}
		m.spec.Seed.FilesDir = "/seed" // where its files are
		if cmd, err := m.command(nil); err != nil || cmd.Dir != "/seed" {
			t.Errorf("%s: works in %q, %v", command, cmd.Dir, err)
		}
	}
}

func TestFailedDatasets(t *testing.T) {
	for name, test := range map[string]struct {
		script  string
		command []string
		seeded  func(string) error
		want    []string
	}{
		"the command fails":        {endsWell, []string{"sh", "-c", "echo no such table >&2; exit 3"}, tidy, []string{"process seed: exit status 3", "no such table"}},
		"there is no such command": {endsWell, []string{"/nonexistent/seed"}, tidy, []string{"process seed: starting /nonexistent/seed"}},
		"the process dies":         {"echo disk is full >&2; exit 4", []string{"sleep", "60"}, tidy, []string{"process db died", "exit status 4", "disk is full"}},
		"data in no order":         {endsWell, []string{"true"}, func(string) error { return errors.New("vacuum failed") }, []string{"process db: putting its data in order: vacuum failed"}},
		"it stops badly":           {"trap 'echo torn page >&2; exit 5' INT; touch up; while :; do sleep 0.02; done", []string{"true"}, tidy, []string{"process db: when it was stopped", "exit status 5", "torn page"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := Run(t.Context(), seedableKind(test.script, test.seeded), seedSpec(dir, test.command...), &bytes.Buffer{})
			if err == nil {
				t.Fatal("it is made")
			}
			for _, want := range append(test.want, "seed: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error without %q:\n%v", want, err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "[^.]*")); len(left) > 0 && !onlyLock(left) {
				t.Errorf("left: %q", left)
			}
		})
	}
	kind := abacus("abacus")
	s := seedSpec(t.TempDir(), "true")
	s.Processes[0].Kind = "abacus"
	s.Processes[0].Settings = map[string]string{"beads": "3"}
	kind.New = func(spec.Process, Host) Program { return fakeProgram{} }
	if err := Run(t.Context(), []Kind{kind}, s, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "no command makes data of kind abacus") {
		t.Errorf("a kind that has no data: %v", err)
	}
}

// onlyLock says whether nothing of a dataset is there.
func onlyLock(left []string) bool {
	for _, path := range left {
		switch filepath.Base(path) {
		case dataDir, markerFile, seedingDir:
			return false
		}
	}
	return true
}

// Ended by the signal that was sent, or with the status that stands for it, is a good end.
func TestCheckStopped(t *testing.T) {
	for script, succeeds := range map[string]bool{
		"exit 0": true, "exit 1": false, "exit 130": true, "exit 143": false,
		"kill -INT $$": true, "kill -TERM $$": false, "kill -KILL $$": false,
	} {
		runner := &child.Runner{}
		c, err := runner.Start(exec.Command("sh", "-c", script), child.Options{Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if err := checkStopped(c, syscall.SIGINT); (err == nil) != succeeds {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// finished is a dataset's folder as a maker leaves it.
func finished(t *testing.T, m marker) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, seedingDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, m); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMarker(t *testing.T) {
	want := marker{"a"}
	if err := want.check(t.TempDir()); err == nil || !strings.Contains(err.Error(), "must be seeded first") {
		t.Errorf("empty folder: %v", err)
	}
	dir := finished(t, want)
	if err := want.check(dir); err != nil {
		t.Errorf("finished: %v", err)
	}
	if err := (marker{"b"}).check(dir); err == nil || !strings.Contains(err.Error(), "another dataset (a, not b)") {
		t.Errorf("another: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, markerFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := want.check(dir); err == nil {
		t.Error("a broken marker passes")
	}
}

// What a killed maker left goes, and what another command made.
func TestMakeDatasetAnew(t *testing.T) {
	dir := finished(t, marker{"old"})
	for _, name := range []string{dataDir, seedingDir} {
		if err := os.MkdirAll(filepath.Join(dir, name, "torn"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := Run(t.Context(), seedableKind(endsWell, tidy), seedSpec(dir, "true"), &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if torn, _ := filepath.Glob(filepath.Join(dir, "*", "torn")); len(torn) > 0 {
		t.Errorf("left: %q", torn)
	}
}

func TestMakeDatasetKeepsAFinishedOne(t *testing.T) {
	s := seedSpec(finished(t, marker{"true"}), "true")
	var out bytes.Buffer
	if err := Run(t.Context(), seedableKind("exit 1", tidy), s, &out); err != nil || out.Len() != 0 {
		t.Errorf("error is %v, output %q", err, out.String())
	}
}

// Who waits for the lock belongs to the dataset's folder, and what a killed maker left
// to the folder below: only the latter is stopped.
func TestStopLeftSparesWhoWaits(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(child.EnvFolder, "") // put back when the test ends
	making := filepath.Join(dir, seedingDir)
	started := map[string]*child.Child{}
	for _, folder := range []string{dir, making} {
		cmd := exec.Command("sleep", "60")
		cmd.Env = append(os.Environ(), child.EnvFolder+"="+folder)
		var runner child.Runner
		c, err := runner.Start(cmd, child.Options{Name: "sleep"})
		if err != nil {
			t.Fatal(err)
		}
		started[folder] = c
		t.Cleanup(func() { c.Stop(time.Second) })
	}
	if err := stopLeftovers(t.Context(), making); err != nil {
		t.Fatal(err)
	}
	select {
	case <-started[making].Done():
	case <-time.After(10 * time.Second):
		t.Error("what a killed maker left goes on")
	}
	select {
	case <-started[dir].Done():
		t.Error("a maker that waits was stopped")
	default:
	}
	if os.Getenv(child.EnvFolder) != making {
		t.Errorf("what is started next belongs to %q", os.Getenv(child.EnvFolder))
	}
}

// A second maker waits for the first and then finds its work done.
func TestMakeDatasetWaitsForAnother(t *testing.T) {
	dir := t.TempDir()
	unlock, err := child.LockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	kinds, s := seedableKind("exit 1", tidy), seedSpec(dir, "true")
	if err := Run(ctx, kinds, s, &bytes.Buffer{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a locked folder gives %v", err)
	}
	result := make(chan error)
	go func() { result <- Run(t.Context(), kinds, s, &bytes.Buffer{}) }()
	if err := os.MkdirAll(filepath.Join(dir, seedingDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, marker{"true"}); err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := <-result; err != nil {
		t.Errorf("the waiting maker gives %v", err)
	}
}
