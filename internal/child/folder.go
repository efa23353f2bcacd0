// SPDX-License-Identifier: Apache-2.0

package child

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"headroom/internal/host"
)

const (
	underTermTimeout = 3 * time.Second // then SIGKILL
	underTimeout     = 6 * time.Second
	underPoll        = 20 * time.Millisecond
)

// EnvFolder is the environment variable that says which folder a process on a
// shared host belongs to: all that a machine starts inherits it.
const EnvFolder = "HEADROOM_FOLDER"

// StopUnder stops every process whose environment says, in EnvFolder, that the
// process belongs to dir or a folder below it, and returns how many there were.
// Children inherit the variable. So StopUnder finds processes that lost their parent,
// also after a restart of headroom, and no process of anybody else.
func StopUnder(ctx context.Context, dir string) (stopped int, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), underTimeout)
	defer cancel()
	poll := time.NewTicker(underPoll)
	defer poll.Stop()
	seen := map[int]bool{}
	for begun := time.Now(); ; {
		pids, err := belongingTo(dir)
		if err != nil || len(pids) == 0 {
			return len(seen), err
		}
		for _, pid := range pids {
			switch {
			case time.Since(begun) > underTermTimeout:
				_ = syscall.Kill(pid, syscall.SIGKILL)
			case !seen[pid]: // SIGTERM once: the server may be busy with it
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
			seen[pid] = true
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return len(seen), fmt.Errorf("processes %v of %s did not end when they were killed", pids, dir)
		}
	}
}

// belongingTo returns the processes of dir, but not this one.
func belongingTo(dir string) ([]int, error) {
	processes, err := host.ReadProcesses()
	if err != nil {
		return nil, err
	}
	var pids []int
	for pid, p := range processes {
		// The environment of a process that has ended, or is another user's, can't be
		// read.
		environment, err := host.Environment(pid)
		if err == nil && p.State != 'Z' && pid != os.Getpid() && isOf(dir, environment) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func isOf(dir string, environment []string) bool {
	for _, variable := range environment {
		if folder, found := strings.CutPrefix(variable, EnvFolder+"="); found {
			return folder == dir || strings.HasPrefix(folder, dir+"/")
		}
	}
	return false
}
