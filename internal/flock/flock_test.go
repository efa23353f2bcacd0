// SPDX-License-Identifier: Apache-2.0

package flock

import (
	"os"
	"path/filepath"
	"testing"
)

// A lock is that of an open file, in one process too, and ends with it.
func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	first, second := open(), open()
	for _, step := range []struct {
		what string
		file *os.File
		want bool
	}{{"a free lock", first, true}, {"the holder again", first, true}, {"another", second, false}} {
		if taken, err := Try(step.file); err != nil || taken != step.want {
			t.Errorf("%s: taken %v, %v; want %v", step.what, taken, err, step.want)
		}
	}
	first.Close()
	if taken, err := Try(second); err != nil || !taken {
		t.Errorf("after the holder's end: taken %v, %v", taken, err)
	}
	if taken, err := Try(first); taken || err == nil {
		t.Errorf("a closed file: taken %v, %v; want an error", taken, err)
	}
}
