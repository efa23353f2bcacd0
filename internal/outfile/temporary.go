// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"headroom/internal/flock"
)

// A temporary file is named .NAME.headroom-RANDOM.
const (
	mark        = ".headroom-"
	randomBytes = 8
	// maxNameBytes of NAME leave room for the rest in a name of 255 bytes.
	maxNameBytes = 200
	attempts     = 10
)

// openTemporary opens the temporary file beside t, after a look at whether it
// will be able to take t's name.
func (f *File) openTemporary(t target) error {
	if err := replaceable(f.path, t); err != nil {
		return err
	}
	prefix := temporaryPrefix(t.path)
	removeStale(prefix)
	// Nobody else may read what will replace a private file. A new file's mode
	// is the system's affair, with the umask in it.
	mode := fs.FileMode(0o666)
	if t.info != nil {
		mode = 0o600
	}
	for range attempts {
		file, err := os.OpenFile(prefix+random(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s can't be written: a file can't be made in folder %s: %w: name a file elsewhere", f.path, filepath.Dir(t.path), cause(err))
		}
		if owned(file) {
			f.file, f.target = file, t.path
			return nil
		}
		file.Close()
	}
	return fmt.Errorf("%s can't be written: its temporary files %s* vanish: name a file elsewhere", f.path, prefix)
}

// replaceable refuses a file that can't be written, although another file could take
// its name. It also refuses a file whose name no other file can take.
func replaceable(path string, t target) error {
	if t.info == nil {
		return nil
	}
	probe, err := os.OpenFile(t.path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return cannot(path, err)
	}
	defer probe.Close()
	var stat unix.Statx_t
	err = unix.Statx(int(probe.Fd()), "", unix.AT_EMPTY_PATH, 0, &stat)
	if err == nil && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return fmt.Errorf("%s is mounted by itself, so it can't be replaced: mount its folder instead, or name another file", path)
	}
	return nil
}

// temporaryPrefix is the path of target's temporary files up to RANDOM.
func temporaryPrefix(target string) string {
	name := filepath.Base(target)
	if len(name) > maxNameBytes {
		name = name[:maxNameBytes]
		for !utf8.ValidString(name) && utf8.ValidString(filepath.Base(target)) {
			name = name[:len(name)-1]
		}
	}
	return filepath.Join(filepath.Dir(target), "."+name+mark)
}

func random() string {
	var data [randomBytes]byte
	_, _ = rand.Read(data[:]) // never fails
	return hex.EncodeToString(data[:])
}

// owned marks a new temporary file as a living process's, by a lock that ends with
// the process. It is false when another process has just taken the file for a dead
// process's.
func owned(file *os.File) bool {
	if taken, err := flock.Try(file); !taken && err == nil {
		return false
	}
	// A file system without locks is no hindrance: nobody can lock there, so
	// nobody removes.
	info, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(info, there)
}

// removeStale removes the temporary files that killed processes left. A file that
// can't be opened, locked or removed stays, and does no harm.
func removeStale(prefix string) {
	dir, err := os.Open(filepath.Dir(prefix))
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, filepath.Base(prefix))
		if data, err := hex.DecodeString(rest); ours && err == nil && len(data) == randomBytes {
			removeDead(filepath.Join(filepath.Dir(prefix), name))
		}
	}
}

// removeDead removes a temporary file unless its process lives.
func removeDead(path string) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if taken, _ := flock.Try(file); taken {
		_ = os.Remove(path)
	}
}

// replace gives the temporary file the target's mode and name.
func (f *File) replace() error {
	info, err := os.Lstat(f.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("it has become something else meanwhile (%v)", info.Mode().Type())
	default:
		f.was = info
	}
	if f.was != nil {
		f.keepOwner()
		if err := f.file.Chmod(f.was.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	// Closed only after: an open file's lock keeps others from removing it.
	return os.Rename(f.file.Name(), f.target)
}

// keepOwner gives the temporary file the earlier one's owner and group, or the
// group alone. Only root may give files away.
func (f *File) keepOwner() {
	stat, ok := f.was.Sys().(*syscall.Stat_t)
	if ok && f.file.Chown(int(stat.Uid), int(stat.Gid)) != nil {
		_ = f.file.Chown(-1, int(stat.Gid))
	}
}
