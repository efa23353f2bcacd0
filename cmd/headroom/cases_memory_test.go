// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// largeCommand is this test's binary as a process that is large, and becomes
// the program.
const largeCommand = "headroom-test-large"

const largeMB = 300

// largeMain is largeCommand.
func largeMain() {
	ballast := make([]byte, largeMB<<20)
	for i := 0; i < len(ballast); i += os.Getpagesize() {
		ballast[i] = 1
	}
	program, err := exec.LookPath("headroom")
	if err == nil {
		err = syscall.Exec(program, append([]string{"headroom"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, err, ballast[0])
	os.Exit(1)
}

// Finding 9: the driver's memory is its own, not that of whoever started it.
func TestCaseMemoryIsTheDriversOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, largeCommand, "drive", "--json", "--url", serveCases(t).url("/"), "--rate", "100/s", "--requests", "20")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	_ = cmd.Run() // its exit code says it
	if rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; rss < largeMB<<10 {
		t.Fatalf("the process was never larger than %d KB: the test shows nothing", rss)
	}
	d := readDriven(t, cmd.ProcessState.ExitCode(), out.Bytes(), complaint.String())
	d.succeeded(t, 20)
	if mb := d.Driver.MaxRSSMB.OrNaN(); !(mb >= 5 && mb <= 150) {
		t.Errorf("the driver says that it used %.0f MB; what started it used %d", mb, largeMB)
	}
}
