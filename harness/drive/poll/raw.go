// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop's sockets never block. So the calls here do not tell the runtime that the thread
// is in the kernel, as unix.Read and unix.Write do. On a single core telling the runtime
// costs a quarter of a loop's speed: the runtime's monitor wakes up for each call that
// looks long, and hands the loop's processor on and back. The system calls here must not
// block.

// Read reads the data that has arrived.
func Read(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return rawResult(n, errno)
}

// Write writes what the socket accepts.
func Write(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return rawResult(n, errno)
}

// epollNow returns the events that there are.
func epollNow(epoll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return rawResult(n, errno)
}

func rawResult(n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN: // an error that needs no allocation
		return 0, errEAGAIN
	}
	return 0, errno
}

var errEAGAIN error = unix.EAGAIN
