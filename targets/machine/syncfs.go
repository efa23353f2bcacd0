// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncFS writes what the kernel holds of a folder's file system to disk.
func SyncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
