package machine

import "headroom/internal/host"

const procRoot = "/proc"

// proc is a process as child.go asks for it.
type proc struct {
	ppid  int
	state byte
}

// readProcs reads the process table for child.go.
func readProcs(string) (map[int]proc, error) {
	processes, err := host.ReadProcesses()
	procs := make(map[int]proc, len(processes))
	for pid, p := range processes {
		procs[pid] = proc{ppid: p.Parent, state: p.State}
	}
	return procs, err
}
