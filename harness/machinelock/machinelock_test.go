// SPDX-License-Identifier: Apache-2.0

package machinelock

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"headroom/internal/flock"
)

func lockPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), fileName)
}

// atOnce takes the lock, which must be free.
func atOnce(t *testing.T, path, what string) *Lock {
	t.Helper()
	lock, err := Take(t.Context(), path, what, func(h Holder) { t.Errorf("waits for %v", h) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lock.Release)
	return lock
}

// waitingFor is the holder that a measurement waits for, as it first reports it.
func waitingFor(t *testing.T, path string) Holder {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var heard []Holder
	_, err := Take(ctx, path, "second", func(h Holder) {
		heard = append(heard, h)
		cancel()
	})
	if !errors.Is(err, context.Canceled) || len(heard) != 1 {
		t.Fatalf("waited for %v, and ended with %v", heard, err)
	}
	return heard[0]
}

// deadProcess is the pid of one that is gone.
func deadProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func signed(t *testing.T, path string, h Holder) {
	t.Helper()
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, fileMode); err != nil {
		t.Fatal(err)
	}
}

// The file names the holder of its lock while there is one.
func TestTakeAndRelease(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // the file is everybody's all the same
	path := lockPath(t)
	lock := atOnce(t, path, "run phase3")
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fileMode {
		t.Errorf("the file's mode is %v, %v; want %v", info.Mode(), err, fs.FileMode(fileMode))
	}
	if h := waitingFor(t, path); h.PID != os.Getpid() || h.What != "run phase3" || time.Since(h.Since) > time.Minute ||
		!strings.Contains(h.String(), "run phase3, since "+h.Since.Local().Format("15:04:05")) {
		t.Errorf("the second waits for %v", h)
	}
	lock.Release()
	if left, err := os.ReadFile(path); err != nil || len(left) > 0 {
		t.Errorf("left in the file: %q, %v", left, err)
	}
	atOnce(t, path, "second")
	var none *Lock
	none.Release()
}

// The wait ends with the holder.
func TestTakeGoesOnWhenTheHolderEnds(t *testing.T) {
	path := lockPath(t)
	first := atOnce(t, path, "first")
	second, err := Take(t.Context(), path, "second", func(Holder) { first.Release() })
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release()
	if h := waitingFor(t, path); h.What != "second" {
		t.Errorf("the third waits for %v", h)
	}
}

// The entry of a dead process holds no lock, and a holder that could not sign is not taken
// for that process.
func TestStaleContent(t *testing.T) {
	path := lockPath(t)
	stale := Holder{PID: deadProcess(t), What: "run phase1", Since: time.Now()}
	signed(t, path, stale)
	atOnce(t, path, "second").Release()

	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if taken, err := flock.Try(file); !taken {
		t.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"a dead process": func() error { signed(t, path, stale); return nil },
		"nothing":        func() error { return os.Truncate(path, 0) },
		"no JSON":        func() error { return os.WriteFile(path, []byte("{"), fileMode) },
		"no process":     func() error { return os.WriteFile(path, []byte(`{"pid":-1,"what":"x"}`), fileMode) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if h := waitingFor(t, path); h != (Holder{}) || !strings.Contains(h.String(), "does not say who it is") {
			t.Errorf("%s: waits for %v", name, h)
		}
	}
}

// The file is anybody's: what stands in it does nothing to a terminal.
func TestHolderIsPrintable(t *testing.T) {
	path := lockPath(t)
	atOnce(t, path, "run \x1b[2J\u0007phase3\n"+strings.Repeat("é", maxWhatRunes))
	h := waitingFor(t, path)
	if want := "run [2Jphase3"; !strings.HasPrefix(h.What, want) || strings.ContainsAny(h.String(), "\x1b\a\n") || len([]rune(h.What)) != maxWhatRunes+1 {
		t.Errorf("%q, want %q and no control character", h.What, want)
	}
}

func TestTakeGivesUp(t *testing.T) {
	path := lockPath(t)
	atOnce(t, path, "first")
	_, err := take(t.Context(), path, "second", poll/10, func(Holder) {})
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Holder.What != "first" || !strings.Contains(err.Error(), "first, since") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(ctx, path, "second", func(Holder) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want what ended the context", err)
	}
}

// A lock takes no right to write.
func TestTakeOfAFileThatCannotBeWritten(t *testing.T) {
	path := lockPath(t)
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	atOnce(t, path, "first")
	waitingFor(t, path)
}

func TestUnusable(t *testing.T) {
	dir := t.TempDir()
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "elsewhere"), link), syscall.Mkfifo(fifo, 0o666)); err != nil {
		t.Fatal(err)
	}
	paths := []string{dir, link, fifo, filepath.Join(dir, "none", "lock")}
	if os.Getuid() != 0 { // root may open everything
		closed := filepath.Join(dir, "closed")
		if err := os.WriteFile(closed, nil, 0); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, closed)
	}
	for _, path := range paths {
		lock, err := Take(t.Context(), path, "second", func(Holder) {})
		var unusable *UnusableError
		if lock != nil || !errors.As(err, &unusable) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "elsewhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
}

// The file lies in a folder where all users may write, whatever TMPDIR says. A folder of
// one user does not count.
func TestFileIsTheSameForAll(t *testing.T) {
	defer func(was []string) { sharedFolders = was }(sharedFolders)
	t.Setenv("TMPDIR", t.TempDir())
	private, shared := t.TempDir(), t.TempDir()
	if err := os.Chmod(shared, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		folders []string
		want    string
	}{
		{[]string{private, filepath.Join(private, "none"), shared}, shared},
		{[]string{shared, private}, shared},
		{[]string{private}, os.TempDir()},
	} {
		sharedFolders = test.folders
		if got := File(); got != filepath.Join(test.want, fileName) {
			t.Errorf("%q: %s, want it in %s", test.folders, got, test.want)
		}
	}
}

// A program says whom it waits for, and measures even where no lock can be taken.
func TestTakeOrWarn(t *testing.T) {
	defer func(was []string) { sharedFolders = was }(sharedFolders)
	sharedFolders = nil
	t.Setenv("TMPDIR", t.TempDir())
	lock := atOnce(t, File(), "first")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var talk said = func(text string) {
		if !strings.HasPrefix(text, "second: waiting for process ") || !strings.Contains(text, "(first, since ") {
			t.Errorf("says %q", text)
		}
		lock.Release()
	}
	second, err := TakeOrWarn(ctx, "second", talk)
	if err != nil || second == nil {
		t.Fatalf("%v, %v", second, err)
	}
	second.Release()

	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	var warned string
	none, err := TakeOrWarn(ctx, "third", said(func(text string) { warned = text }))
	if none != nil || err != nil || !strings.HasPrefix(warned, "third: warning: the lock of this machine, "+File()) {
		t.Errorf("%v, %v, says %q", none, err, warned)
	}
}

// said is called with each thing that is written to it.
type said func(text string)

func (s said) Write(p []byte) (int, error) {
	s(string(p))
	return len(p), nil
}
