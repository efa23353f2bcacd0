// SPDX-License-Identifier: Apache-2.0

// Package flock takes the kernel's lock of an open file. The lock belongs to
// the open file, so it ends when the file is closed, or its process is gone by
// whatever signal.
package flock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Try takes the file's lock, and says whether it did. When the lock is not taken and
// there is no error, another open file has the lock. A file system without locks
// gives an error.
func Try(file *os.File) (taken bool, err error) {
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
