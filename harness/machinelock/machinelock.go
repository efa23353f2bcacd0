// SPDX-License-Identifier: Apache-2.0

// Package machinelock makes the measurements of one machine take turns. Two measurements
// at once disturb each other, and neither shows that in its own figures.
//
//  1. Take locks one file that all users of the machine share. It waits while another
//     process has the lock.
//  2. The lock is the kernel's lock of the open file. It ends with its process, by
//     whatever signal.
//  3. The holder writes its identity into the file. This is information for people, and
//     decides nothing.
//
// Processes exclude each other when they see the same file. That holds for all processes
// of one machine, but not for a container with a /run/lock of its own.
package machinelock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"headroom/internal/flock"
)

// Patience is how long Take waits for others: longer than any single measurement.
const Patience = 2 * time.Hour

const (
	fileName       = "headroom-measuring.lock"
	fileMode       = 0o666 // everybody may measure here
	poll           = 200 * time.Millisecond
	openAttempts   = 10
	maxHolderBytes = 4 << 10
	maxWhatRunes   = 200
)

// sharedFolders are folders that all users of a machine may write to, the best first.
// os.TempDir would not do, because it depends on each user's TMPDIR.
var sharedFolders = []string{"/run/lock", "/tmp"}

// File is this machine's lock file, the same for all of its users.
func File() string {
	for _, dir := range sharedFolders {
		const everybody = 0o002
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() && info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&everybody != 0 {
			return filepath.Join(dir, fileName)
		}
	}
	return filepath.Join(os.TempDir(), fileName)
}

// Holder says who measures.
type Holder struct {
	PID   int       `json:"pid"`   // 0: not known
	What  string    `json:"what"`  // "run phase3"
	Since time.Time `json:"since"` // when it took the lock
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another measurement that does not say who it is"
	}
	return fmt.Sprintf("process %d (%s, since %s)", h.PID, h.What, h.Since.Local().Format("15:04:05"))
}

// Waiting tells a waiting user why and how long the program waits for the holder.
func (h Holder) Waiting() string {
	return fmt.Sprintf("waiting for %v, which measures on this machine: two at once disturb each other. This goes on when the machine is free, and gives up after %v", h, Patience)
}

func (h Holder) same(o Holder) bool {
	return h.PID == o.PID && h.What == o.What && h.Since.Equal(o.Since)
}

// UnusableError says that the file can't be locked, so other measurements can't be
// noticed.
type UnusableError struct {
	Path string
	Err  error
}

func (e *UnusableError) Error() string {
	return fmt.Sprintf("the lock of this machine, %s, can't be taken: %v", e.Path, e.Err)
}

// Warning is for a measurement that goes on without the lock.
func (e *UnusableError) Warning() string {
	return fmt.Sprintf("%v: whoever else measures now is not waited for", e)
}

func (e *UnusableError) Unwrap() error { return e.Err }

// BusyError says that others measured for as long as Take waited.
type BusyError struct {
	Holder Holder
	Waited time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%v still measures on this machine after %v of waiting: nothing was measured; try again later", e.Holder, e.Waited)
}

// Lock is the right to measure. A nil Lock is none.
type Lock struct{ file *os.File }

// Take takes the lock of the file; what says what is measured. While another process has
// the lock, Take waits, and calls waits with the holder whenever the holder changes. The
// wait ends with ctx's error when ctx ends, and with a BusyError after Patience. A file
// that can't be locked is an UnusableError.
func Take(ctx context.Context, path, what string, waits func(Holder)) (*Lock, error) {
	return take(ctx, path, what, Patience, waits)
}

// TakeOrWarn takes this machine's lock, and writes to talk for whom it waits. When the
// file can't be locked, it writes a warning and returns no lock and no error.
func TakeOrWarn(ctx context.Context, what string, talk io.Writer) (*Lock, error) {
	lock, err := Take(ctx, File(), what, func(h Holder) { fmt.Fprintf(talk, "%s: %s\n", what, h.Waiting()) })
	var unusable *UnusableError
	if errors.As(err, &unusable) {
		fmt.Fprintf(talk, "%s: warning: %s\n", what, unusable.Warning())
		return nil, nil
	}
	return lock, err
}

func take(ctx context.Context, path, what string, patience time.Duration, waits func(Holder)) (*Lock, error) {
	tick, over := time.NewTicker(poll), time.NewTimer(patience)
	defer tick.Stop()
	defer over.Stop()
	var told *Holder
	for looks := 1; ; looks++ {
		lock, holder, err := try(path)
		if err != nil {
			return nil, err
		}
		if lock != nil {
			lock.sign(what)
			return lock, nil
		}
		// A new holder may not have signed yet: then the next look tells.
		if known := holder.PID != 0; (known || looks > 1) && (told == nil || !told.same(holder)) {
			waits(holder)
			told = &holder
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over.C:
			return nil, &BusyError{Holder: holder, Waited: patience}
		}
	}
}

// Release lets the next one measure.
func (l *Lock) Release() {
	if l == nil {
		return
	}
	_ = l.file.Truncate(0) // nobody measures now; an entry that stays does no harm
	_ = l.file.Close()
}

// try takes the lock, or says who has it.
func try(path string) (*Lock, Holder, error) {
	file, err := open(path)
	if err != nil {
		return nil, Holder{}, &UnusableError{path, err}
	}
	taken, err := flock.Try(file)
	if taken && stillNamed(file, path) {
		return &Lock{file}, Holder{}, nil
	}
	defer file.Close()
	if err != nil {
		return nil, Holder{}, &UnusableError{path, err}
	}
	return nil, read(file), nil
}

// stillNamed says whether the file still has its name: the lock of a removed file excludes
// nobody.
func stillNamed(file *os.File, path string) bool {
	info, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(info, there)
}

// open opens the file, and makes it if it is missing. An existing file is opened without
// O_CREATE: in a folder such as /tmp the kernel refuses O_CREATE for another user's file
// (fs.protected_regular). A lock needs no right to write, so without that right open
// opens the file for reading.
func open(path string) (*os.File, error) {
	const how = unix.O_NOFOLLOW | unix.O_NONBLOCK
	for range openAttempts {
		file, err := os.OpenFile(path, os.O_RDWR|how, 0)
		if errors.Is(err, fs.ErrPermission) {
			file, err = os.OpenFile(path, os.O_RDONLY|how, 0)
		}
		if err == nil {
			return regular(file)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, reason(err)
		}
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|how, fileMode)
		if err == nil {
			_ = file.Chmod(fileMode) // the umask took some of it; whoever can only read can lock all the same
			return file, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, reason(err)
		}
	}
	return nil, errors.New("it comes and goes")
}

func regular(file *os.File) (*os.File, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		file.Close()
		return nil, reason(err)
	}
	return file, nil
}

// reason is an error without the path, which the message names already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// sign writes the holder into the file. If that fails, others wait for an unknown
// holder.
func (l *Lock) sign(what string) {
	data, err := json.Marshal(Holder{PID: os.Getpid(), What: what, Since: time.Now().UTC()})
	if err == nil {
		err = l.file.Truncate(0)
	}
	if err == nil {
		_, _ = l.file.WriteAt(data, 0)
	}
}

// read returns the holder that the file names. An entry of a process that is gone does
// not count.
func read(file *os.File) Holder {
	var h Holder
	data, err := io.ReadAll(io.NewSectionReader(file, 0, maxHolderBytes))
	if err != nil || json.Unmarshal(data, &h) != nil || !alive(h.PID) {
		return Holder{}
	}
	h.What = printable(h.What)
	return h
}

func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// printable removes what a terminal would obey, because anybody may write the file.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	if runes := []rune(text); len(runes) > maxWhatRunes {
		text = string(runes[:maxWhatRunes]) + "…"
	}
	return text
}
