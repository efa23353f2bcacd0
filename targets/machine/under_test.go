// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strconv"
	"testing"

	"headroom/internal/host"
)

// hasEnded says whether a process is gone, or a zombie that nobody has asked.
func hasEnded(t *testing.T, pid string) bool {
	t.Helper()
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	processes, err := host.ReadProcesses()
	if err != nil {
		t.Fatal(err)
	}
	p, there := processes[number]
	return !there || p.State == 'Z'
}
