// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"headroom/internal/child"
	"headroom/targets/machine/spec"
)

// The names in a dataset's folder.
const (
	dataDir    = "data"             // what a process's own folder, or a service's data, begin as
	markerFile = spec.DatasetMarker // written last
	seedingDir = "seeding"          // what dataDir is while it is made
)

// seedStopTimeout is how long a program may take to stop, while it writes its memory
// to disk.
const seedStopTimeout = 60 * time.Second

// marker says what a finished dataset holds.
type marker spec.Marker

// check returns nil when dir holds exactly this dataset, complete.
func (m marker) check(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, markerFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s holds no finished dataset: it must be seeded first", dir)
	}
	if err != nil {
		return err
	}
	var found marker
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Errorf("%s/%s: %w", dir, markerFile, err)
	}
	if found != m {
		return fmt.Errorf("%s holds another dataset (%s, not %s): it must be seeded again", dir, found.Key, m.Key)
	}
	return nil
}

// makeDataset fills a folder with the data that a process begins with. It starts the
// process without data, runs the seed command beside the process, and stops the
// process; or it copies data that were made elsewhere. It returns at once when the
// dataset is there. Of several makers one works and the others wait. makeDataset removes
// what a killed maker left.
func makeDataset(ctx context.Context, kinds []Kind, s spec.Spec, logOut io.Writer) error {
	dir, want := s.Seed.Dir, marker{s.Seed.Key}
	if want.check(dir) == nil {
		return nil
	}
	unlock, err := child.LockDir(ctx, dir)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer unlock()
	if want.check(dir) == nil {
		return nil // another maker was faster
	}
	if err := stopLeftovers(ctx, filepath.Join(dir, seedingDir)); err != nil {
		return fmt.Errorf("seed: stopping what a killed maker left: %w", err)
	}
	for _, old := range []string{markerFile, dataDir, seedingDir} { // the mark of completeness first
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return fmt.Errorf("seed: removing what was there: %w", err)
		}
	}
	m := maker{dir: dir, spec: s, kinds: kinds, out: child.NewSyncWriter(logOut)}
	if err := m.fill(ctx); err != nil {
		return errors.Join(fmt.Errorf("seed: %w", err), os.RemoveAll(filepath.Join(dir, seedingDir)))
	}
	if err := publish(dir, want); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

// stopLeftovers stops the processes that a killed maker started. It also makes the
// children of this maker belong to the same folder. Makers that wait belong to the
// folder above, and are left alone. In a container all children of a killed maker end
// with it.
func stopLeftovers(ctx context.Context, making string) error {
	if err := os.Setenv(child.EnvFolder, making); err != nil { // what we start inherits it
		return err
	}
	_, err := child.StopUnder(ctx, making)
	return err
}

// publish moves finished data into their place and marks them complete.
func publish(dir string, m marker) error {
	if err := os.Rename(filepath.Join(dir, seedingDir), filepath.Join(dir, dataDir)); err != nil {
		return err
	}
	if err := SyncFS(dir); err != nil { // the program may have run without writing to disk
		return fmt.Errorf("writing to disk: %w", err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	half := filepath.Join(dir, markerFile+".half")
	if err := os.WriteFile(half, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(half, filepath.Join(dir, markerFile))
}

// maker makes one dataset.
type maker struct {
	dir    string
	spec   spec.Spec
	kinds  []Kind
	out    *child.SyncWriter
	runner child.Runner
}

// fill makes the data and has them where the dataset's are made.
func (m *maker) fill(ctx context.Context) error {
	made := m.spec.Seed.Made
	if made == "" {
		if err := m.make(ctx); err != nil {
			return err
		}
		if p := m.spec.Processes[0]; p.Service != nil {
			made = dataOf(p, folderOf(m.spec, p))
		}
	}
	if made == "" {
		return nil // the process's own folder was the dataset's
	}
	if err := checkFilled(made); err != nil {
		return fmt.Errorf("copying the dataset: %w", err)
	}
	return copyTree(ctx, made, filepath.Join(m.dir, seedingDir), &m.runner, m.out)
}

// checkFilled is an error unless something lies in the folder of the data: a program that
// keeps its data elsewhere would begin without them.
func checkFilled(made string) error {
	dir, err := os.Open(made)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); errors.Is(err, io.EOF) {
		return errors.New("the seed left nothing in data: write data: with the folder where the program keeps what the command makes, or see that the command makes something")
	} else if err != nil {
		return err
	}
	return nil
}

// dataOf is what of a process's folder begins as its dataset: the whole folder, or of a
// service where the scenario says that it keeps its data.
func dataOf(p spec.Process, folder string) string {
	if p.Service == nil {
		return folder
	}
	return spec.Below(folder, p.Service.Data)
}

func (m *maker) make(ctx context.Context) (err error) {
	p := m.spec.Processes[0]
	program, err := newProgram(m.kinds, m.spec, p, &m.runner, m.out)
	if err != nil {
		return err
	}
	defer program.Close()
	seeder, seeds := program.(Seeder)
	if !seeds {
		return fmt.Errorf("process %s: no command makes data of kind %s", p.Name, p.Kind)
	}
	super := &supervisor{out: m.out, runner: &m.runner, readyTimeout: readyTimeout, stopTimeout: seedStopTimeout}
	ctx, died := context.WithCancelCause(ctx)
	defer died(nil)
	begin, n := time.Now(), namedProgram{name: p.Name, Program: program}
	limit := n.readyTimeout(readyTimeout)
	ready, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %v%s", limit, spec.EmptyRemedy(p.Service)))
	defer cancel()
	var running *child.Child
	defer func() {
		if death := deathOf(ctx); death != nil {
			err = death // the first cause, not what followed from it
			return
		}
		err = errors.Join(err, super.stopAll())
		if err == nil {
			err = checkStopped(running, n.stopSignal())
		}
	}()
	running, err = super.launch(ready, died, n)
	if err != nil {
		return err
	}
	command, err := m.command(seeder.SeedEnv(os.Environ()))
	if err != nil {
		return err
	}
	if err := m.runner.Run(ctx, command, child.Options{Name: "seed", Out: m.out}); err != nil {
		return err
	}
	if err := seeder.Seeded(ctx); err != nil {
		return running.Log.Explain(fmt.Errorf("process %s: putting its data in order: %w", p.Name, err))
	}
	fmt.Fprintf(m.out, "seed | made in %.1f s\n", time.Since(begin).Seconds())
	return nil
}

// checkStopped is nil when a program stopped cleanly: it ended with success, by the
// signal that was sent, or with the status that stands for that signal. Another signal
// may have left half of the data.
func checkStopped(c *child.Child, stop syscall.Signal) error {
	var exit *exec.ExitError
	if !errors.As(c.Err(), &exit) || exit.ExitCode() == 128+int(stop) {
		return nil
	}
	if status, known := exit.Sys().(syscall.WaitStatus); known && status.Signaled() && status.Signal() == stop {
		return nil
	}
	return c.Log.Explain(fmt.Errorf("process %s: when it was stopped: %w", c.Name, c.Death()))
}

// command is the seed command. Its working folder is the folder of the files that it
// reads. The word headroom stands for this program, which need not be on the PATH.
func (m *maker) command(env []string) (*exec.Cmd, error) {
	words := m.spec.Seed.Command
	program := words[0]
	if program == "headroom" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		program = self
	}
	cmd := exec.Command(program, words[1:]...)
	cmd.Dir = cmp.Or(m.spec.Seed.FilesDir, m.dir)
	cmd.Env = env
	return cmd, nil
}

// datasetCopier returns a function that copies the dataset into the process's own
// folder; nil: there is no dataset. A process that starts again finds its folder and
// keeps it: a database does not forget.
func datasetCopier(d *spec.Dataset, dir string, runner *child.Runner, out *child.SyncWriter) func(context.Context) error {
	if d == nil {
		return nil
	}
	return func(ctx context.Context) error {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		half := dir + ".half"
		if err := os.RemoveAll(half); err != nil {
			return err
		}
		if err := copyDataset(ctx, *d, half, runner, out); err != nil {
			return err
		}
		return os.Rename(half, dir)
	}
}

// copyDataset copies a finished dataset's data into a folder.
func copyDataset(ctx context.Context, d spec.Dataset, to string, runner *child.Runner, out *child.SyncWriter) error {
	if err := (marker{d.Key}).check(d.Dir); err != nil {
		return err
	}
	return copyTree(ctx, filepath.Join(d.Dir, dataDir), to, runner, out)
}

// copyTree copies all that is in a folder into another one, which is made where it is
// not there, and gets the owner and the mode of the first.
func copyTree(ctx context.Context, from, to string, runner *child.Runner, out *child.SyncWriter) error {
	began := time.Now()
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("copying the dataset: %w", err)
	}
	cp := exec.Command("cp", "-a", "--reflink=auto", from+"/.", to)
	if err := runner.Run(ctx, cp, child.Options{Name: "cp", Out: out}); err != nil {
		return fmt.Errorf("copying the dataset: %w", err)
	}
	// Written now and not half a minute later, when the kernel would do it in the
	// middle of a measurement.
	if err := SyncFS(to); err != nil {
		return fmt.Errorf("writing the dataset to disk: %w", err)
	}
	fmt.Fprintf(out, "machine | dataset copied in %.1f s\n", time.Since(began).Seconds())
	return nil
}
