// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"os"
	"path/filepath"
)

// Below maps a path of a container to a folder that takes the place of the
// container's root. No path leads out of the folder.
func Below(dir, path string) string { return filepath.Join(dir, filepath.Clean("/"+path)) }

// PutFiles writes the files of the machine's services below their processes' folders,
// on a machine that shares its host. The stage calls it, because the JSON of a Spec
// does not hold the files' content.
func (s Spec) PutFiles() error {
	for _, p := range s.Processes {
		if p.Service == nil {
			continue
		}
		for _, f := range p.Service.Files {
			to := Below(filepath.Join(s.DataDir(), p.Name), f.Path)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return fmt.Errorf("process %s: file %s: %w", p.Name, f.Path, err)
			}
			if err := os.WriteFile(to, f.Content, 0o755); err != nil { // some are to be run
				return fmt.Errorf("process %s: file %s: %w", p.Name, f.Path, err)
			}
		}
	}
	return nil
}
