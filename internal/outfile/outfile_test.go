// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	before = "precious\n"
	after  = "measured\n"
)

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

// onlyHolds fails unless dir's entries are those.
func onlyHolds(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %q, want %q", names, want)
	}
}

func create(t *testing.T, path string) *File {
	t.Helper()
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, after); err != nil {
		t.Fatal(err)
	}
	return f
}

// chain makes name a link to the next, and so on; the last is what they lead to.
func chain(t *testing.T, dir string, names ...string) {
	t.Helper()
	for i := range len(names) - 1 {
		if err := os.Symlink(names[i+1], filepath.Join(dir, names[i])); err != nil {
			t.Fatal(err)
		}
	}
}

// Every kind of name that a file can be made for: discarded, nothing has
// changed; committed, it holds what was written, with the mode that was there.
func TestNamesOfFiles(t *testing.T) {
	old := unix.Umask(0o027)
	t.Cleanup(func() { unix.Umask(old) })
	for _, test := range []struct {
		kind   string
		make   func(t *testing.T, dir string)
		write  string // the name to write
		target string // the file it leads to
		mode   fs.FileMode
		names  []string // in the folder, when all is done
	}{
		{"new", func(*testing.T, string) {}, "x", "x", 0o640, []string{"x"}},
		{"existing", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x"), before, 0o600) }, "x", "x", 0o600, []string{"x"}},
		{"existing with more than the umask leaves", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x"), before, 0o666) }, "x", "x", 0o666, []string{"x"}},
		{"existing and readable to a group", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "x"), before, 0o640) }, "x", "x", 0o640, []string{"x"}},
		{"link", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "y"), before, 0o604)
			chain(t, dir, "x", "y")
		}, "x", "y", 0o604, []string{"x", "y"}},
		{"links to a link in another folder", func(t *testing.T, dir string) {
			check(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
			write(t, filepath.Join(dir, "y"), before, 0o600)
			chain(t, dir, "x", "d/z")
			chain(t, dir, "d/z", "../y")
		}, "x", "y", 0o600, []string{"d", "x", "y"}},
		{"absolute link", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "y"), before, 0o600)
			chain(t, dir, "x", filepath.Join(dir, "y"))
		}, "x", "y", 0o600, []string{"x", "y"}},
		{"dangling link", func(t *testing.T, dir string) { chain(t, dir, "x", "y") }, "x", "y", 0o640, []string{"x", "y"}},
		{".. behind a link to a folder", func(t *testing.T, dir string) {
			check(t, os.MkdirAll(filepath.Join(dir, "d", "e"), 0o700))
			chain(t, dir, "l", "d/e")
		}, "l/../x", "d/x", 0o640, []string{"d", "l"}},
		{"relative link behind a link to a folder", func(t *testing.T, dir string) {
			check(t, os.MkdirAll(filepath.Join(dir, "d", "e"), 0o700))
			chain(t, dir, "l", "d/e")
			chain(t, dir, "d/e/x", "../y")
		}, "l/x", "d/y", 0o640, []string{"d", "l"}},
		{"as long a name as there can be", func(*testing.T, string) {}, strings.Repeat("é", 127), strings.Repeat("é", 127), 0o640, []string{strings.Repeat("é", 127)}},
	} {
		t.Run(test.kind, func(t *testing.T) {
			dir := t.TempDir()
			test.make(t, dir)
			path, target := dir+"/"+test.write, filepath.Join(dir, test.target)
			was, existed := os.ReadFile(target)

			f := create(t, path)
			check(t, errors.Join(f.Discard(), f.Discard()))
			if now, exists := os.ReadFile(target); !bytes.Equal(was, now) || (existed == nil) != (exists == nil) {
				t.Errorf("discarded, it holds %q, %v; before: %q, %v", now, exists, was, existed)
			}

			f = create(t, path)
			if info, err := f.file.Stat(); err != nil || info.Mode().Perm()&^test.mode != 0 {
				t.Errorf("meanwhile the mode is %v, %v: wider than %v", info.Mode(), err, test.mode)
			}
			if now, _ := os.ReadFile(target); !bytes.Equal(was, now) {
				t.Errorf("before it is committed it holds %q; before: %q", now, was)
			}
			check(t, errors.Join(f.Commit(), f.Discard()))
			holds(t, target, after)
			if info, err := os.Lstat(target); err != nil || info.Mode() != test.mode {
				t.Errorf("the mode is %v, %v; want %v", info.Mode(), err, test.mode)
			}
			onlyHolds(t, dir, test.names...)
		})
	}
}

// What can't be written is refused by Create, before any load, and stays.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		kind string
		make func(t *testing.T, path string)
		name string
		want string
	}{
		{"empty name", nil, "", "is empty"},
		{"folder", func(t *testing.T, path string) { check(t, os.Mkdir(path, 0o700)) }, "x", "is a folder: name a file in it"},
		{"link to a folder", func(t *testing.T, path string) { chain(t, filepath.Dir(path), "x", ".") }, "x", "is a folder: name a file in it"},
		{"folder's name", nil, "x/", "is a folder's name: name a file in it"},
		{"the folder itself", nil, ".", "is a folder: name a file in it"},
		{"missing folder", nil, "none/x", "none does not exist: make it, or name another file"},
		{"link into a missing folder", func(t *testing.T, path string) { chain(t, filepath.Dir(path), "x", "none/y") }, "x", "none does not exist: make it"},
		{"file for a folder", func(t *testing.T, path string) { write(t, filepath.Dir(path)+"/y", before, 0o600) }, "y/x", "not a directory"},
		{"circle of links", func(t *testing.T, path string) { chain(t, filepath.Dir(path), "x", "y", "x") }, "x", "more than 40 links"},
		{"too long a name", nil, strings.Repeat("x", 256), "file name too long"},
		{"FIFO without a reader", func(t *testing.T, path string) { check(t, unix.Mkfifo(path, 0o600)) }, "x", "nobody reads FIFO"},
		{"link to a FIFO without a reader", func(t *testing.T, path string) {
			check(t, unix.Mkfifo(filepath.Dir(path)+"/y", 0o600))
			chain(t, filepath.Dir(path), "x", "y")
		}, "x", "nobody reads FIFO"},
		{"socket", func(t *testing.T, path string) {
			listener, err := net.Listen("unix", path)
			check(t, err)
			t.Cleanup(func() { listener.Close() })
		}, "x", "is neither a file nor a device"},
		{"no descriptor", nil, "/dev/fd/999", "descriptor 999 is not open"},
		{"no descriptor's number", nil, "/dev/fd/one", "no descriptor's number"},
		{"another process's descriptor", nil, fmt.Sprintf("/proc/%d/fd/1", os.Getppid()), "is a descriptor of process"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			dir := t.TempDir()
			path := test.name
			if path != "" && path[0] != '/' {
				path = dir + "/" + path
			}
			if test.make != nil {
				test.make(t, filepath.Join(dir, "x"))
			}
			before := names(t, dir)
			f, err := Create(path)
			if err == nil {
				t.Fatalf("it was opened: %v", f.Discard())
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %q, want %q in it, and the name", err, test.want)
			}
			if now := names(t, dir); now != before {
				t.Errorf("the folder holds %s, before: %s", now, before)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names lists a folder's entries with their kinds and sizes.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, fs.FormatDirEntry(e))
	}
	return strings.Join(list, "\n")
}

// asNobody lets this thread see files with a plain user's rights, for root has
// them all.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Setfsuid(65534); err != nil {
		t.Skipf("root can't be another user here: %v", err)
	}
}

func TestRightsThatAreMissing(t *testing.T) {
	for _, test := range []struct {
		kind      string
		dir, file fs.FileMode
		want      string
	}{
		{"folder that can't be written", 0o555, 0o666, "a file can't be made in folder"},
		{"folder that can't be entered", 0o600, 0o666, "permission denied"},
		{"file that can't be written, in a folder that can", 0o777, 0o444, "permission denied"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			dir := t.TempDir()
			for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
				check(t, os.Chmod(up, 0o755))
			}
			inner := filepath.Join(dir, "inner")
			check(t, os.Mkdir(inner, 0o700))
			path := filepath.Join(inner, "x")
			write(t, path, before, test.file)
			check(t, os.Chmod(inner, test.dir))
			done := make(chan error)
			go func() {
				defer close(done) // also when asNobody skips
				asNobody(t)
				_, err := Create(path)
				done <- err
			}()
			err, tried := <-done
			check(t, os.Chmod(inner, 0o700))
			if !tried {
				return
			}
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %v, want %q in it, and the name", err, test.want)
			}
			holds(t, path, before)
			onlyHolds(t, inner, "x")
		})
	}
}
