// SPDX-License-Identifier: Apache-2.0

// Package process is the stage without containers. Each machine is a local `headroom
// machine` on a loopback address of its own, so all ports of the topology stay as
// they are.
//
//  1. Open sweeps what dead runs left and makes the run's folder, which is the
//     run's as long as this process holds its lock.
//  2. EnsureDataset makes the folder that a process begins with, once.
//  3. Start brings a topology up, in the order of its links. It returns a
//     running System or has cleaned up.
//  4. Exec runs a command, such as the driver, as a process of its own.
//  5. Close stops and removes everything. If we die first, every child notices the
//     end of its lifeline. If a child is killed with us and leaves children of its
//     own, the next Open finds those by the run's folder.
//
// There are no CPU quotas and no memory limits: machines, driver and everything
// else on the computer share its cores.
package process

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	runPrefix   = "run-"
	seedTimeout = time.Hour
	lockTimeout = 30 * time.Second
	// maxFolderBytes leaves room for the sockets below a machine's folder: the
	// kernel takes names of 107 bytes.
	maxFolderBytes = 60
)

// RootCacheDir is the CacheDir of root.
const RootCacheDir = "/var/cache/headroom"

// Options are what a stage needs to know of its run.
type Options struct {
	Command        []string          // nil: this program; `machine`, `seed` and `job` are appended
	CacheDir       string            // "": CacheDir()
	DatasetVersion string            // changes whenever the same command makes other files
	Progress       io.Writer         // a line an event, for people; nil discards
	HostCPUs       float64           // what each machine may use: there are no quotas
	Versions       map[string]string // of the server programs, for Describe
}

// Stage is one run's place on this host. Its methods may be called from
// several goroutines.
type Stage struct {
	options Options
	runner  child.Runner
	folder  string // of this run
	unlock  func()

	mu       sync.Mutex        // guards what follows, and Progress
	datasets map[string]string // by key: the folder
	folders  int               // made so far
	running  map[*System]bool

	closeOnce sync.Once
	closeErr  error
}

// CacheDir is where datasets stay and runs have their folders: the user's cache, and
// for root the system's. PostgreSQL does not run as root, so it could not read root's
// home.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return RootCacheDir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(base, "headroom"), nil
}

// Open removes what dead runs left and makes this run's folder. The caller
// closes the stage.
func Open(ctx context.Context, options Options) (*Stage, error) {
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	if len(options.Command) == 0 {
		var err error
		if options.Command, err = child.SelfCommand(); err != nil {
			return nil, err
		}
	}
	cache, err := openCache(options.CacheDir)
	if err != nil {
		return nil, err
	}
	options.CacheDir = cache
	s := &Stage{options: options, datasets: map[string]string{}, running: map[*System]bool{}}
	removed, err := sweepThen(ctx, cache, s.makeFolder)
	for _, thing := range removed {
		s.progress("removed %s, left by a run that is dead", thing)
	}
	if s.unlock == nil {
		return nil, err
	}
	if err != nil {
		s.progress("warning: %v; `headroom clean` tries again", err)
	}
	return s, nil
}

// openCache makes the cache folder and returns it without symbolic links, as
// processes that belong to it name it.
func openCache(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = CacheDir(); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("the cache folder can't be made: %w; set XDG_CACHE_HOME to a folder that can", err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("the cache folder: %w", err)
	}
	if len(dir) > maxFolderBytes {
		return "", fmt.Errorf("the cache folder %s has a name of %d bytes, at most %d leave room for the servers' sockets in it: set XDG_CACHE_HOME to a shorter one", dir, len(dir), maxFolderBytes)
	}
	return dir, nil
}

// makeFolder makes the run's folder and takes its lock.
func (s *Stage) makeFolder() error {
	var name [4]byte
	_, _ = rand.Read(name[:]) // never fails
	s.folder = filepath.Join(s.options.CacheDir, runPrefix+hex.EncodeToString(name[:]))
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		return fmt.Errorf("the run's folder: %w", err)
	}
	unlock, err := child.TryLockDir(s.folder)
	if err == nil && unlock == nil {
		err = errors.New("another process took its lock")
	}
	if err != nil {
		return fmt.Errorf("the run's folder: %w", err)
	}
	s.unlock = unlock
	return nil
}

// Sweep stops and removes what dead runs left. A run is dead when nobody holds the
// lock of its folder. With datasets it also removes the seeded datasets. It returns
// what it removed, also beside an error.
func Sweep(ctx context.Context, datasets bool) (removed []string, err error) {
	cache, err := openCache("")
	if err != nil {
		return nil, err
	}
	var seeded []string
	removed, err = sweepThen(ctx, cache, func() error {
		alive, err := filepath.Glob(filepath.Join(cache, runPrefix+"*"))
		if !datasets || len(alive) > 0 {
			return err // a run that is alive copies its dataset whenever a block begins
		}
		return removeUnlocked(ctx, cache, stage.DatasetPrefix, &seeded)
	})
	return append(removed, seeded...), err
}

// sweepThen sweeps, and then calls a function. It holds the cache's lock for both, so
// no other sweep comes between.
func sweepThen(ctx context.Context, cache string, then func() error) (removed []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	unlock, err := child.LockDir(ctx, cache)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	defer unlock()
	err = removeUnlocked(ctx, cache, runPrefix, &removed)
	return removed, errors.Join(err, then())
}

// removeUnlocked removes the cache's folders of a prefix whose lock is free.
func removeUnlocked(ctx context.Context, cache, prefix string, removed *[]string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		dir := filepath.Join(cache, entry.Name())
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		unlock, err := child.TryLockDir(dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
		}
		if unlock == nil {
			continue // alive
		}
		stopped, err := remove(ctx, dir)
		unlock()
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
			continue
		}
		if stopped > 0 {
			dir = fmt.Sprintf("%s and its %d processes", dir, stopped)
		}
		*removed = append(*removed, dir)
	}
	return errors.Join(errs...)
}

// remove stops what belongs to a folder, and removes it.
func remove(ctx context.Context, dir string) (stopped int, err error) {
	stopped, err = child.StopUnder(ctx, dir)
	return stopped, errors.Join(err, os.RemoveAll(dir))
}

// EnsureDataset fills the folder that a process begins with: a machine runs the
// process and its seed command. It gives up after an hour. Two runs may do this at
// once: the machine takes the folder's lock, and marks the folder when it is
// complete. The folder outlives the run; Sweep with datasets removes it.
func (s *Stage) EnsureDataset(ctx context.Context, d scenarios.Dataset) error {
	ctx, cancel := context.WithTimeoutCause(ctx, seedTimeout, fmt.Errorf("not done within %v: have the seed command make fewer data, or end where it hangs", seedTimeout))
	defer cancel()
	dir := filepath.Join(s.options.CacheDir, stage.DatasetName(d, s.options.DatasetVersion))
	if err := s.seed(ctx, d, dir); err != nil {
		return fmt.Errorf("make dataset %s (%s): %w", dir, d.Command(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.datasets[d.Key()] = dir
	return nil
}

func (s *Stage) seed(ctx context.Context, d scenarios.Dataset, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	works, err := s.newFolder() // the command, and a service beside it
	if err != nil {
		return err
	}
	defer os.RemoveAll(works)
	filesDir := works
	if d.Process.Service != nil {
		filesDir = filepath.Join(works, d.Process.Name) // its own folder, where the data are
	}
	if err := putSeedFiles(filesDir, d.Process.SeedFiles); err != nil {
		return fmt.Errorf("the files of the seed command: %w", err)
	}
	address, err := reserve([]int{d.Process.Port})
	if err != nil {
		return err
	}
	defer address.Close()
	told := stage.SeedSpec(d, dir, filesDir, stage.NewNonce(), &spec.Local{Address: address.address, DataDir: works})
	if err := told.PutFiles(); err != nil {
		return err
	}
	encoded, err := json.Marshal(told)
	if err != nil {
		return err
	}
	seeder, err := s.launch(job{
		name: "seed", folder: dir, args: []string{"machine"}, env: []string{spec.EnvSpec + "=" + string(encoded)},
	})
	if err != nil {
		return err
	}
	select {
	case <-seeder.Done():
	case <-ctx.Done():
		seeder.Stop(stopGrace)
		return seeder.Log.Explain(context.Cause(ctx))
	}
	if err := seeder.Err(); err != nil {
		return seeder.Log.Explain(err)
	}
	return nil
}

// putSeedFiles writes the files of a seed command into a folder.
func putSeedFiles(dir string, files []scenarios.File) error {
	for _, f := range files {
		path := spec.Below(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// datasetDir is the folder of a dataset; "" when the dataset was not made.
func (s *Stage) datasetDir(d scenarios.Dataset) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.datasets[d.Key()]
}

// Describe implements stage.Stage.
func (s *Stage) Describe(_ context.Context, e *record.Environment) error {
	e.Stage = record.StageProcess
	e.Packages = s.options.Versions
	e.NetworkPath = "loopback"
	return nil
}

// newFolder makes a folder below the run's.
func (s *Stage) newFolder() (string, error) {
	s.mu.Lock()
	s.folders++
	dir := filepath.Join(s.folder, fmt.Sprint(s.folders))
	s.mu.Unlock()
	return dir, os.Mkdir(dir, 0o755)
}

// Close stops everything of the run and removes its folder, whether ctx has
// ended or not. Only the first call works; all return its error.
func (s *Stage) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		var systems []*System
		for sys := range s.running {
			systems = append(systems, sys)
		}
		s.mu.Unlock()
		var errs []error
		for _, sys := range systems {
			errs = append(errs, sys.Close(ctx))
		}
		_, err := remove(ctx, s.folder)
		s.unlock()
		if s.closeErr = errors.Join(append(errs, err)...); s.closeErr != nil {
			s.closeErr = fmt.Errorf("close the process stage: %w", s.closeErr)
		}
	})
	return s.closeErr
}

func (s *Stage) progress(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.options.Progress, format+"\n", args...)
}
