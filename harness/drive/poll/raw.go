// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop's sockets never block, so the runtime is not told that its thread is in
// the kernel, as it is around unix.Read and unix.Write. On a single core that
// takes a quarter of a loop's speed: the runtime's monitor wakes up for each call
// that looks long, and takes the loop's right to run Go code away and back.
// What is called here must not block.

// Read reads what is there.
func Read(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return rawResult(n, errno)
}

// Write writes what the socket takes.
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
	case unix.EAGAIN: // as an error that is made already
		return 0, errEAGAIN
	}
	return 0, errno
}

var errEAGAIN error = unix.EAGAIN
