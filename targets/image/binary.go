// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"runtime"
)

// machineOf is the ELF machine of the architectures that Debian's engine and
// ours share: the image is built for the architecture headroom runs on.
var machineOf = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// checkStatic says why an executable could not run inside the image: the
// message continues "<path> ...".
func checkStatic(content []byte) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return errors.New("is not a Linux executable")
	}
	defer f.Close()
	if want, known := machineOf[runtime.GOARCH]; known && f.Machine != want {
		return fmt.Errorf("is for another processor (%s, not %s)", f.Machine, want)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("is not an executable but %s", f.Type)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("is dynamically linked, and the image may not have its libraries")
		}
	}
	return nil
}
