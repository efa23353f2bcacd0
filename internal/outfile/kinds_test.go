// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isDevice fails unless path is the character device major, minor.
func isDevice(t *testing.T, path string, major, minor uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	check(t, err)
	if stat := info.Sys().(*syscall.Stat_t); info.Mode()&os.ModeCharDevice == 0 || stat.Rdev != unix.Mkdev(major, minor) {
		t.Errorf("%s is %v, device %x", path, info.Mode(), stat.Rdev)
	}
}

func TestDevicesAreWrittenTo(t *testing.T) {
	dir := t.TempDir()
	node := filepath.Join(dir, "null")
	paths := []string{"/dev/null"}
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Logf("a device of our own is left out: only root can make one: %v", err)
	} else {
		chain(t, dir, "link", "null")
		paths = append(paths, node, filepath.Join(dir, "link"))
	}
	listed := names(t, dir)
	for _, path := range paths {
		if err := create(t, path).Commit(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := create(t, path).Discard(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if now := names(t, dir); now != listed {
		t.Errorf("the folder holds %s, before: %s", now, listed)
	}
	isDevice(t, "/dev/null", 1, 3)
	if len(paths) > 1 {
		isDevice(t, node, 1, 3)
	}
}

func TestBlockDevicesAreRefused(t *testing.T) {
	node := filepath.Join(t.TempDir(), "disk")
	// Number 0, 0 belongs to no driver: nothing can be written, whatever we do.
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, 0); err != nil {
		t.Skipf("only root can make a block device: %v", err)
	}
	if _, err := Create(node); err == nil || !strings.Contains(err.Error(), "what is on it would be lost") {
		t.Errorf("the error is %v", err)
	}
}

// A failed write to a device reaches the caller, and Commit does not forget it.
func TestDeviceThatIsFull(t *testing.T) {
	f, err := Create("/dev/full")
	check(t, err)
	if _, err := io.WriteString(f, after); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("writing: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("committing: %v", err)
	}
}

// A FIFO's reader gets everything, also what does not fit in at once, and the
// FIFO stays one.
func TestFIFOWithAReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	check(t, unix.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	check(t, err)
	defer reader.Close()
	f, err := Create(path)
	check(t, err)
	want := strings.Repeat(after, 50_000) // 450 kB, several times what a FIFO holds
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(f, want)
		written <- errors.Join(err, f.Commit())
	}()
	got, err := io.ReadAll(reader)
	check(t, err)
	check(t, <-written)
	if string(got) != want {
		t.Errorf("the reader got %d bytes, want %d", len(got), len(want))
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the FIFO is %v, %v", info.Mode(), err)
	}
}

// A reader that leaves is an error, and no end of the program.
func TestFIFOWhoseReaderLeaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	check(t, unix.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	check(t, err)
	f, err := Create(path)
	check(t, err)
	check(t, reader.Close())
	if _, err := io.WriteString(f, after); !errors.Is(err, unix.EPIPE) {
		t.Errorf("writing: %v", err)
	}
	if err := f.Discard(); err != nil {
		t.Error(err)
	}
}

// A descriptor is written to where it stands: a file behind it is neither cut
// nor replaced, and what comes later stands behind ours.
func TestDescriptorsAreWrittenTo(t *testing.T) {
	for _, form := range []string{"/dev/fd/%d", "/proc/self/fd/%d", "/proc/thread-self/fd/%d"} {
		path := filepath.Join(t.TempDir(), "out")
		out, err := os.Create(path)
		check(t, err)
		_, err = io.WriteString(out, "first\n")
		check(t, err)
		name := fmt.Sprintf(form, out.Fd())
		if err := create(t, name).Commit(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err = io.WriteString(out, "last\n")
		check(t, err)
		check(t, out.Close())
		holds(t, path, "first\n"+after+"last\n")
		onlyHolds(t, filepath.Dir(path), "out")
	}
}

func TestDescriptorsOfPipes(t *testing.T) {
	reader, writer, err := os.Pipe()
	check(t, err)
	defer reader.Close()
	// As /dev/stdout is: a link to a descriptor.
	link := filepath.Join(t.TempDir(), "stdout")
	check(t, os.Symlink(fmt.Sprintf("/proc/self/fd/%d", writer.Fd()), link))
	if err := create(t, link).Commit(); err != nil {
		t.Error(err)
	}
	check(t, writer.Close())
	if got, err := io.ReadAll(reader); err != nil || string(got) != after {
		t.Errorf("the pipe got %q, %v", got, err)
	}
	if _, err := Create(fmt.Sprintf("/dev/fd/%d", reader.Fd())); err == nil || !strings.Contains(err.Error(), "for reading only") {
		t.Errorf("the pipe's other end: %v", err)
	}
}

func TestOwnerStays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "x")
	write(t, path, before, 0o640)
	check(t, os.Chown(path, 65534, 65533))
	check(t, create(t, path).Commit())
	holds(t, path, after)
	info, err := os.Lstat(path)
	check(t, err)
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 65534 || stat.Gid != 65533 || info.Mode() != 0o640 {
		t.Errorf("owner %d, group %d, mode %v", stat.Uid, stat.Gid, info.Mode())
	}
}

func TestFileMountedByItself(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "x"), filepath.Join(dir, "y")
	write(t, path, before, 0o600)
	write(t, other, before, 0o600)
	if err := unix.Mount(other, path, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("only root can mount: %v", err)
	}
	t.Cleanup(func() { check(t, unix.Unmount(path, 0)) })
	if _, err := Create(path); err == nil || !strings.Contains(err.Error(), "mount its folder instead") {
		t.Errorf("the error is %v", err)
	}
	onlyHolds(t, dir, "x", "y")
}

// A failed writer leaves what was there, and nothing beside it.
func TestFailedWriterLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	write(t, path, before, 0o600)
	failure := errors.New("no more")
	err := Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, after)
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v", err)
	}
	holds(t, path, before)
	onlyHolds(t, filepath.Dir(path), "x")
	check(t, Write(path, func(w io.Writer) error { _, err := io.WriteString(w, after); return err }))
	holds(t, path, after)
}

// What takes the name between Create and Commit is not replaced either.
func TestNameTakenMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f := create(t, path)
	check(t, unix.Mkfifo(path, 0o600))
	if err := f.Commit(); err == nil || !strings.Contains(err.Error(), "something else meanwhile") {
		t.Errorf("the error is %v", err)
	}
	if _, err := io.WriteString(f, after); err == nil {
		t.Error("what is over could be written to")
	}
	onlyHolds(t, filepath.Dir(path), "x")
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the FIFO is %v, %v", info.Mode(), err)
	}
}

// Of writers at once each is whole, and the last one stays.
func TestWritersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	one, two := create(t, path), create(t, path)
	_, err := io.WriteString(two, "twice\n")
	check(t, err)
	check(t, two.Commit())
	holds(t, path, after+"twice\n")
	check(t, one.Commit())
	holds(t, path, after)

	var group sync.WaitGroup
	whole := map[string]bool{}
	for i := range 8 {
		text := strings.Repeat(fmt.Sprint(i), 10_000*(i+1))
		whole[text] = true
		group.Go(func() {
			if err := Write(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got, err := os.ReadFile(path); err != nil || !whole[string(got)] {
		t.Errorf("%d bytes of no single writer, %v", len(got), err)
	}
	onlyHolds(t, filepath.Dir(path), "x")
}

// What a killed process left is removed by the next that writes the name; what
// belongs to a living one, or is none of ours, stays.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	living := create(t, path)
	left := filepath.Join(dir, ".x.headroom-0123456789abcdef")
	write(t, left, "half", 0o600)
	others := []string{".x.headroom-0123456789abcde", ".x.headroom-0123456789abcdeg", ".xx.headroom-0123456789abcdef", "x.headroom-0123456789abcdef"}
	for _, name := range others {
		write(t, filepath.Join(dir, name), "the user's", 0o600)
	}
	chain(t, dir, ".x.headroom-1111111111111111", "x.headroom-0123456789abcdef")

	check(t, create(t, path).Commit())
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	for _, name := range append(others, ".x.headroom-1111111111111111") {
		holds(t, filepath.Join(dir, name), "the user's")
	}
	check(t, living.Commit())
	holds(t, path, after)
}
