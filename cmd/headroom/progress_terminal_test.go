// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A countdown and colours are for people: a device such as /dev/null is no terminal.
func TestWhatIsNoTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(null) || isTerminal(file) || isTerminal(&bytes.Buffer{}) {
		t.Errorf("taken for a terminal: %s %v, a file %v, a buffer %v", os.DevNull, isTerminal(null), isTerminal(file), isTerminal(&bytes.Buffer{}))
	}
	if newProgress(null).terminal {
		t.Errorf("progress counts down on %s", os.DevNull)
	}
}
