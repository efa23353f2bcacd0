// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// A full disk tears a line. The torn line is removed, the error says that earlier trials
// are intact, and the next line can be written when there is room again. The process's
// file size limit stands for the full disk.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Run{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTrial(validTrial(t)); err != nil {
		t.Fatal(err)
	}
	size := w.size
	var room syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		t.Fatal(err)
	}
	full := room
	full.Cur = uint64(size) + 100 // a part of a line
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Skip("files can't be limited here: ", err)
	}
	failed := w.WriteTrial(validTrial(t))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		t.Fatal(err)
	}
	if failed == nil || !strings.Contains(failed.Error(), "earlier trials are intact") {
		t.Fatalf("a full disk: %v", failed)
	}
	if log, err := ReadFile(dir); err != nil || len(log.Trials) != 1 || w.size != size {
		t.Fatalf("after it: %+v, %v, %d bytes of %d", log, err, w.size, size)
	}
	if err := w.WriteTrial(validTrial(t)); err != nil {
		t.Fatal(err)
	}
	if log, err := ReadFile(dir); err != nil || len(log.Trials) != 2 {
		t.Errorf("with room again: %+v, %v", log, err)
	}
}
