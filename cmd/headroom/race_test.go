// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Without a C compiler there is no race detector: that is said, and is a
// failure in CI.
func TestRaceDetectorIsNotSkippedUnsaid(t *testing.T) {
	script := filepath.Join("..", "..", ".ci", "race")
	broken := filepath.Join(t.TempDir(), "cc")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, cc := range []string{"/nonexistent/cc", broken} {
		for ci, fails := range map[string]bool{"": false, "true": true} {
			cmd := exec.CommandContext(t.Context(), "bash", script)
			cmd.Env = append(os.Environ(), "CC="+cc, "CI="+ci)
			said, err := cmd.CombinedOutput()
			if want := "race: skipped, the race detector needs a C compiler, and \"" + cc + "\" builds nothing here"; (err != nil) != fails || !strings.Contains(string(said), want) {
				t.Errorf("CC=%s CI=%s: %v, want a failure: %v, and %q in %q", cc, ci, err, fails, want, said)
			}
		}
	}
}
