// SPDX-License-Identifier: Apache-2.0

// Package outfile writes the files that a command makes for its user, and loses
// nothing of the user's. It writes to a temporary file in the same folder, which
// takes the name once the file is whole. A run that fails before leaves what was
// there.
//
// The file that has the name decides how outfile writes:
//
//   - nothing, or a plain file: through a temporary file. A plain file's mode
//     stays, and its owner and group where the system allows that. Its
//     extended attributes don't stay, and a hard link to it keeps the old
//     contents: the name leads to a new file.
//   - a symbolic link: outfile writes the link's target, also when the target does
//     not exist yet. The link stays.
//   - a character device or a FIFO: is opened and written to, never replaced.
//   - /dev/stdout, /dev/fd/N: this process's own descriptor is written to
//     where it stands, be it a pipe, a terminal or a file.
//   - a folder, a socket, a block device, a file that is mounted by itself:
//     are refused.
//
// Of two processes that write to one name the last one wins, whole.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Another program reads a FIFO. A piece that the program does not take within
// fifoTimeout is given up.
const (
	fifoTimeout = time.Minute
	fifoPiece   = 64 << 10
)

// File is an output file that is not there before Commit. It is not safe for
// concurrent use.
type File struct {
	path   string // as the user gave it, for messages
	target string // the plain file it becomes; "" when file is written to directly
	was    fs.FileInfo
	file   *os.File
	fifo   bool
	failed error // the first failed write: no half file is committed
	done   bool
}

// Write writes the file path whole, or leaves what was there.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Discard())
	}
	return f.Commit()
}

// Create opens what will become path, and finds out whether it can. It changes
// nothing that bears the name. The File must be committed or discarded.
func Create(path string) (*File, error) {
	target, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if target.descriptor != none {
		return openDescriptor(path, target.descriptor)
	}
	f := &File{path: path, was: target.info}
	if target.info != nil && !target.info.Mode().IsRegular() {
		err = f.openDirectly(target)
	} else {
		err = f.openTemporary(target)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openDescriptor duplicates one of this process's descriptors. Opening it by
// its name instead would begin at the start of a file that others write on.
func openDescriptor(path string, descriptor int) (*File, error) {
	flags, err := unix.FcntlInt(uintptr(descriptor), unix.F_GETFL, 0)
	if err != nil {
		return nil, fmt.Errorf("%s can't be written: descriptor %d is not open: name a file", path, descriptor)
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, fmt.Errorf("%s can't be written: descriptor %d is open for reading only: name a file", path, descriptor)
	}
	own, err := unix.FcntlInt(uintptr(descriptor), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s can't be written: %w", path, err)
	}
	return &File{path: path, file: os.NewFile(uintptr(own), path)}, nil
}

// openDirectly opens what must not be replaced, or refuses it.
func (f *File) openDirectly(t target) error {
	mode := t.info.Mode()
	switch {
	case mode.IsDir():
		return fmt.Errorf("%s is a folder: name a file in it", f.path)
	case mode&fs.ModeNamedPipe != 0:
		f.fifo = true
	case mode&fs.ModeCharDevice != 0:
	case mode&fs.ModeDevice != 0:
		return fmt.Errorf("%s is a block device, and what is on it would be lost: name a file", f.path)
	default:
		return fmt.Errorf("%s is neither a file nor a device (%v): name a file", f.path, mode.Type())
	}
	// Without O_NONBLOCK a FIFO without a reader, or a line without a carrier,
	// would hold the opening for ever.
	file, err := os.OpenFile(t.path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if f.fifo && errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("nobody reads FIFO %s: start its reader first, for example cat %s", f.path, f.path)
	}
	if err != nil {
		return cannot(f.path, err)
	}
	f.file = file
	return nil
}

// Write writes to the temporary file, or to the device. After a failure the
// file can only be discarded.
func (f *File) Write(p []byte) (n int, err error) {
	if f.done {
		return 0, fmt.Errorf("write %s: %w", f.path, fs.ErrClosed)
	}
	if f.fifo {
		n, err = f.writeFIFO(p)
	} else {
		n, err = f.file.Write(p)
	}
	if err != nil {
		err = fmt.Errorf("%s could not be written: %w", f.path, cause(err))
		f.failed = errors.Join(f.failed, err)
	}
	return n, err
}

func (f *File) writeFIFO(p []byte) (n int, err error) {
	for n < len(p) {
		if err := f.file.SetWriteDeadline(time.Now().Add(fifoTimeout)); err != nil {
			return n, err
		}
		written, err := f.file.Write(p[n:min(len(p), n+fifoPiece)])
		n += written
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n, fmt.Errorf("its reader took nothing for %v", fifoTimeout)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Commit puts what was written in its place. When it fails, what was there
// before stays.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("write %s: %w", f.path, fs.ErrClosed)
	}
	if f.failed != nil {
		return errors.Join(f.failed, f.Discard())
	}
	if f.target == "" {
		return f.finishDirectly()
	}
	if err := f.replace(); err != nil {
		return errors.Join(fmt.Errorf("%s could not be written: %w", f.path, cause(err)), f.Discard())
	}
	f.done = true
	return f.file.Close()
}

// finishDirectly flushes what can be flushed: a terminal and a pipe can't.
func (f *File) finishDirectly() error {
	f.done = true
	err := f.file.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EROFS) {
		err = nil
	}
	if err = errors.Join(err, f.file.Close()); err != nil {
		return fmt.Errorf("%s could not be written: %w", f.path, cause(err))
	}
	return nil
}

// Discard removes the temporary file; what was there before stays. After
// Commit, or a second time, it does nothing.
func (f *File) Discard() error {
	if f.done {
		return nil
	}
	f.done = true
	if f.target == "" {
		return f.file.Close()
	}
	err := os.Remove(f.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.file.Close())
}

// cause is err without the names in it: the user never gave the temporary file's
// name.
func cause(err error) error {
	var at *fs.PathError
	var between *os.LinkError
	switch {
	case errors.As(err, &at):
		return at.Err
	case errors.As(err, &between):
		return between.Err
	}
	return err
}
