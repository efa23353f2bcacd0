// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// CheckServices is an error when a process of the user's own can't run on a stage. A
// container needs an image. A stage without containers needs a program of this
// computer.
func CheckServices(t scenarios.Topology, containers bool) error {
	for _, at := range t.Processes() {
		switch {
		case at.Process.Service == nil:
		case containers && !at.Process.Foreign():
			return fmt.Errorf("%s runs a program of this computer, and no container has that: say image: or build:, or run it with --stage process", at.Address())
		case !containers && at.Process.Foreign():
			return fmt.Errorf("%s has an image of its own, and the process stage has no containers: say command: without image: and build:, or take --stage docker", at.Address())
		}
	}
	return nil
}

// SeedSpec is the spec of a machine that makes a dataset in the folder dir. The files
// of the seed command, if it reads any, lie in filesDir. A service's command works there
// in any case: the process's own folder holds the data.
func SeedSpec(d scenarios.Dataset, dir, filesDir, nonce string, local *spec.Local) spec.Spec {
	s := spec.ForSeed(d, dir, nonce, local)
	if len(d.Process.SeedFiles) > 0 || d.Process.Service != nil {
		s.Seed.FilesDir = filesDir
	}
	return s
}
