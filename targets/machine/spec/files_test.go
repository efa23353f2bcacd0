// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/scenarios"
)

// The files of a service stand below its process's folder, wherever their paths lead,
// and may be run.
func TestPutFiles(t *testing.T) {
	dir := t.TempDir()
	s := Spec{Machine: "web", Local: &Local{DataDir: dir}, Processes: []Process{{Name: "other"}, {Name: "web", Service: &scenarios.Service{Files: []scenarios.File{
		{Path: "conf/app.toml", Content: []byte("a = 1\n")}, {Path: "/etc/app/run.sh", Content: []byte("true\n")}, {Path: "../../up", Content: []byte("x")},
	}}}}}
	if err := s.PutFiles(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"web/conf/app.toml": "a = 1\n", "web/etc/app/run.sh": "true\n", "web/up": "x"} {
		path := filepath.Join(dir, name)
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", name, got, err, want)
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("%s can't be run: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "web", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Processes[1].Service.Files = []scenarios.File{{Path: "file/below"}}
	if err := s.PutFiles(); err == nil || !strings.Contains(err.Error(), "process web: file file/below") {
		t.Errorf("below a file: %v", err)
	}
}
