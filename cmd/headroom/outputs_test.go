// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const precious = "precious\n"

func preciousFile(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(precious), mode); err != nil {
		t.Fatal(err)
	}
}

// alone fails unless the folder holds the one file, with that in it.
func alone(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
}

// A run that can't begin leaves an earlier log as it was, and no other file.
func TestDriveThatCannotBeginLeavesTheOldLog(t *testing.T) {
	// A name that no resolver has to be asked for: its first part is too long.
	unknown := "http://" + strings.Repeat("x", 64) + ".invalid/"
	for _, args := range [][]string{
		{"--url", "http://127.0.0.1:9/", "--arrivals", "foo"},
		{"--url", "http://127.0.0.1:9/", "--duration", "0s"},
		{"--url", unknown},
		{"--url", unknown, "--allow-host"},
	} {
		log := filepath.Join(t.TempDir(), "old.hlog")
		preciousFile(t, log, 0o600)
		code, _, stderr := headroom(t.Context(), append([]string{"drive", "--duration", "1s", "--hdr", log}, args...)...)
		if code != exitFailure {
			t.Errorf("%q: exit code %d: %s", args, code, stderr)
		}
		alone(t, log, precious)
	}
}

// Interrupted before its first request, a run has nothing to replace a log
// with.
func TestDriveInterruptedAtOnceLeavesTheOldLog(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	log := filepath.Join(t.TempDir(), "old.hlog")
	preciousFile(t, log, 0o600)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, stderr := headroom(ctx, "drive", "--url", url, "--duration", "1m", "--hdr", log)
	if code != exitInconclusive {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	alone(t, log, precious)
}

// A log's place is written to where it leads, and keeps its kind and mode.
func TestDriveLogKeepsWhatBearsItsName(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	dir := t.TempDir()
	link, log, node := filepath.Join(dir, "link"), filepath.Join(dir, "old.hlog"), filepath.Join(dir, "null")
	preciousFile(t, log, 0o600)
	if err := os.Symlink("old.hlog", link); err != nil {
		t.Fatal(err)
	}
	paths := []string{link, "/dev/null"}
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Logf("a device of our own is left out: only root can make one: %v", err)
	} else {
		paths = append(paths, node)
	}
	for _, path := range paths {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := headroom(t.Context(), "drive", "--url", url, "--rate", "50/s", "--duration", "1s", "--arrivals", "constant", "--hdr", path)
		usableText(t, code, stdout, stderr)
		after, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Sys().(*syscall.Stat_t).Rdev != after.Sys().(*syscall.Stat_t).Rdev {
			t.Errorf("%s was %v and is %v, or another", path, before.Mode(), after.Mode())
		}
	}
	if n := loggedResponses(t, log); n != 50 {
		t.Errorf("the log holds %d response times, want 50", n)
	}
	if info, err := os.Stat(log); err != nil || info.Mode() != 0o600 {
		t.Errorf("the log's mode is %v, %v", info.Mode(), err)
	}
}

// What a log can't be written to is refused before any load, with the flag.
func TestDriveRefusesALogsPlace(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                             "--hdr: " + dir + " is a folder: name a file in it",
		fifo:                            "--hdr: nobody reads FIFO " + fifo,
		filepath.Join(dir, "none", "x"): "none does not exist: make it, or name another file",
	} {
		code, _, stderr := headroom(t.Context(), "drive", "--url", url, "--duration", "1s", "--hdr", path)
		if code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, want %q in %q", path, code, want, stderr)
		}
	}
}

// A log that can't be written in the end costs nobody the summary.
func TestDrivePrintsWhatItMeasuredWithoutALog(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	code, stdout, stderr := headroom(t.Context(), "drive", "--url", url, "--rate", "50/s", "--duration", "1s", "--hdr", "/dev/full")
	if code != exitFailure || !strings.Contains(stderr, "/dev/full could not be written: no space left") || !strings.Contains(stdout, "0 failed") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// A rebuilt page keeps the link and the mode that were there.
func TestReportKeepsLinksAndModes(t *testing.T) {
	out := t.TempDir()
	dir, page := filepath.Join(out, "run"), filepath.Join(out, "published.html")
	runFolder(t, dir, true)
	preciousFile(t, page, 0o600)
	if err := os.Symlink("../published.html", filepath.Join(dir, pageName)); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke("report", dir); code != exitGood {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if info, err := os.Lstat(filepath.Join(dir, pageName)); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	info, err := os.Stat(page)
	if err != nil || info.Mode() != 0o600 || info.Size() < 1000 {
		t.Errorf("the page behind it is %v, %d bytes, %v", info.Mode(), info.Size(), err)
	}
}
