// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"headroom/internal/host"
	"headroom/targets/machine/spec"
)

// searchEvery is how often a cgroup that was not found is searched: a search reads all
// groups of the engine's host, which costs CPU time beside the measured machines.
const searchEvery = 10 * time.Second

// container is a machine that an agent sees from outside: it runs an image of the
// user's own.
type container struct {
	id      string
	cgroups fs.FS // of the engine's host

	mu       sync.Mutex
	cgroup   *host.Cgroup // once it was found
	searched time.Time    // when it was not found last
	missing  error        // why not
}

// use reads the container's cgroup, which is there once the container runs.
func (m *container) use() (host.CgroupUsage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cgroup == nil {
		if m.missing != nil && time.Since(m.searched) < searchEvery {
			return host.CgroupUsage{}, m.missing
		}
		found, err := host.CgroupIn(m.cgroups, m.id)
		if err != nil {
			m.searched, m.missing = time.Now(), err
			return host.CgroupUsage{}, err
		}
		m.cgroup = &found
	}
	return m.cgroup.Usage()
}

// errOutside is why a machine that is seen from outside lacks a figure.
var errOutside = errors.New("is seen from outside: the resident memory of its process can't be read")

// observeContainer fills in what can be read of a machine from outside. The machine's
// one process has used what the machine has. The CPU time is read first, beside the clock:
// a busy process may take long to answer for its counters.
func (a *agent) observeContainer(ctx context.Context, c *spec.Counters, fail, unread func(string, error)) {
	use, err := a.container.use()
	unread("cgroup", err)
	setMachine(c, use)
	unread("machine", errOutside)
	c.Unread = append(c.Unread, spec.NetworkOutside)
	countErrors := a.readCounts(ctx, c.Processes)
	for i, p := range a.spec.Processes {
		out := &c.Processes[i]
		out.Name, out.Kind, out.CPUSecondsTotal = p.Name, p.Kind, use.CPUSeconds
		reportCounts(p.Name, countErrors[i], fail, unread)
	}
}
