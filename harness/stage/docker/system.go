// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"headroom/harness/observe"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	bytesPerGiB = 1 << 30
	followPause = time.Second // before an engine that ended a wait is asked again
)

// System is a topology that runs. It is a stage.Resizer and a stage.Meter.
type System struct {
	stage      *Stage
	request    stage.Request
	entryURLs  map[string]string // by where users are; "" is the main one
	nonce      string
	quotas     []cpuQuota      // by machine, as started
	machines   []stage.Machine // in the topology's order
	containers []string        // their ids, by machine
	observer   *observer       // nil: no machine runs an image of the user's own
	watch      stage.DeathWatch
	following  context.Context // as long as the machines are to run
	stopFollow context.CancelFunc

	closeMu sync.Mutex
	closed  bool
}

// Start implements stage.Stage. The error holds the end of the log of the machine
// that failed first. A variant runs once at a time, because its machines' names
// in the network are the variant's.
func (s *Stage) Start(ctx context.Context, r stage.Request) (stage.System, error) {
	sys, err := s.plan(r)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Variant, err)
	}
	if err := s.claim(sys); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Variant, err)
	}
	if err := sys.watch.Start(ctx, sys.startAll); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", r.Variant, err), sys.Close(ctx))
	}
	return sys, nil
}

// plan works out everything that can be wrong before anything is started.
func (s *Stage) plan(r stage.Request) (*System, error) {
	if err := stage.CheckServices(r.Topology, true); err != nil {
		return nil, err
	}
	machines := r.Topology.Machines
	sys := &System{
		stage: s, request: r, nonce: stage.NewNonce(),
		machines: make([]stage.Machine, len(machines)), containers: make([]string, len(machines)),
		observer: newObserver(r.Topology),
	}
	var err error
	if sys.entryURLs, err = stage.EntryURLs(r.Topology, sys.host); err != nil {
		return nil, err
	}
	for i, m := range machines {
		quota, err := machineQuota(m, s.options.UnitCPUs, s.options.Period)
		if err != nil {
			return nil, err
		}
		sys.quotas = append(sys.quotas, quota)
		sys.machines[i] = stage.Machine{
			Name:             m.Name,
			Group:            m.Group,
			External:         m.External,
			QuotaCPUs:        quota.cpus(),
			MemoryLimitBytes: int64(m.MemoryGiB * bytesPerGiB),
			Agent:            observe.Target{Machine: m.Name, Nonce: sys.nonce},
		}
	}
	sys.following, sys.stopFollow = context.WithCancel(context.Background())
	return sys, nil
}

// claim takes the variant's names, or refuses.
func (s *Stage) claim(sys *System) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[sys.request.Variant] != nil {
		return errors.New("it runs already: close it first")
	}
	// The engine would mount an empty volume of a dataset's name instead.
	made := func(d scenarios.Dataset) bool { return s.datasets[d.Key()] }
	if err := stage.CheckDatasets(sys.request.Topology, made); err != nil {
		return err
	}
	if err := s.checkImages(sys.request.Topology); err != nil {
		return err
	}
	s.running[sys.request.Variant] = sys
	return nil
}

// startAll makes all containers at once. It starts each container when the container
// is made and the machines that it needs are ready. The observer runs before the
// machines that it observes.
func (sys *System) startAll(ctx context.Context) error {
	made := make([]chan testcontainers.Container, len(sys.machines))
	makeCtx, stop := context.WithCancel(ctx)
	defer stop()
	making, makeCtx := errgroup.WithContext(makeCtx)
	for i, m := range sys.request.Topology.Machines {
		made[i] = make(chan testcontainers.Container, 1)
		making.Go(func() error {
			c, err := sys.makeMachine(makeCtx, m, i)
			if err != nil {
				return fmt.Errorf("machine %s: %w", m.Name, err)
			}
			made[i] <- c
			return nil
		})
	}
	if sys.observer != nil {
		making.Go(func() error { return sys.observe(makeCtx) })
	}
	err := stage.InOrder(makeCtx, sys.request.Topology, func(ctx context.Context, m scenarios.Machine, i int) error {
		select {
		case c := <-made[i]:
			return sys.startMachine(ctx, c, m, i)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		stop() // what is not made yet is not wanted
	}
	// Whichever failed first ended the other with a cancelled context.
	if makeErr := making.Wait(); err == nil || errors.Is(err, context.Canceled) && makeErr != nil {
		err = makeErr
	}
	return err
}

// SetCPUQuotas implements stage.Resizer.
func (sys *System) SetCPUQuotas(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for i, m := range sys.request.Topology.Machines {
		if quotaFromStart(m) {
			continue
		}
		group.Go(func() error { return sys.setCPUQuota(groupCtx, i, sys.quotas[i]) })
	}
	return group.Wait()
}

// makeMachine makes a machine's container, and does not start it.
func (sys *System) makeMachine(ctx context.Context, m scenarios.Machine, i int) (testcontainers.Container, error) {
	machineSpec, err := spec.ForMachine(sys.request.Topology, m, sys.host, sys.nonce, spec.InMachine, nil)
	if err != nil {
		return nil, err
	}
	c := containerSpec{
		name:        sys.label() + "-" + m.Name,
		host:        sys.host(m.Name),
		instance:    sys.label(),
		memoryBytes: sys.machines[i].MemoryLimitBytes,
		shmBytes:    m.SharedMemoryBytes(),
		mounts:      sys.stage.mounts(sys.request.Topology, m),
	}
	_, foreign := m.Foreign()
	if foreign {
		sys.runOwnImage(&c, *machineSpec.Processes[0].Service, m, i)
	} else {
		encoded, err := json.Marshal(machineSpec)
		if err != nil {
			return nil, err
		}
		c.env = map[string]string{spec.EnvSpec: string(encoded)}
	}
	made, err := sys.stage.create(ctx, c)
	if err != nil {
		return nil, err
	}
	sys.containers[i] = made.GetContainerID()
	if foreign {
		if err := sys.beginOwn(ctx, m, made.GetContainerID()); err != nil {
			return nil, err
		}
		sys.observer.made <- spec.Observed{Spec: machineSpec, ContainerID: made.GetContainerID()}
	}
	return made, nil
}

// startMachine starts a machine's container, and returns when the machine is
// ready.
func (sys *System) startMachine(ctx context.Context, made testcontainers.Container, m scenarios.Machine, i int) error {
	running := &sys.machines[i]
	agent, err := sys.agentOf(ctx, made, m)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := made.Start(ctx); err != nil {
		return fmt.Errorf("machine %s: %w", running.Name, err)
	}
	go sys.follow(running.Name, made.GetContainerID())
	if running.Agent.AgentURL, err = sys.waitReady(ctx, agent); err != nil {
		return fmt.Errorf("machine %s: %w", running.Name, err)
	}
	sys.stage.progress("%s: machine %s is ready after %.1f s", sys.request.Variant, running.Name, time.Since(began).Seconds())
	return nil
}

// follow waits for a container's end, and notes it as the machine's death unless
// the system is being stopped. The engine's word that the wait is over is not
// enough: a restart of the engine, or a proxy before it, ends the wait too.
func (sys *System) follow(machine, id string) {
	for sys.following.Err() == nil {
		ended := sys.stage.cli.ContainerWait(sys.following, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-ended.Result:
		case <-ended.Error:
		}
		at, done := time.Now(), sys.watch.Investigate()
		log, why := sys.stage.endOf(sys.following, id)
		if why != nil && sys.following.Err() == nil {
			sys.watch.Died(stage.Death{Machine: machine, At: at, Err: why, Log: log})
		}
		done()
		if why != nil {
			return
		}
		select {
		case <-time.After(followPause):
		case <-sys.following.Done():
		}
	}
}

// agent tells whether a container is ready.
type agent struct {
	id     string // of the container
	within time.Duration
	remedy string // of what is not ready within; "": there is none
	url    func(context.Context) (string, error)
}

// agentIn is the agent that runs in a container of the machine image.
func (sys *System) agentIn(c testcontainers.Container) agent {
	return agent{id: c.GetContainerID(), within: sys.request.Timeout(), url: func(ctx context.Context) (string, error) {
		return c.PortEndpoint(ctx, agentPort.String(), "http")
	}}
}

// waitReady polls an agent until the agent says that all is ready, and returns the
// agent's URL. It gives up when ctx ends, which a machine's death does too.
func (sys *System) waitReady(ctx context.Context, a agent) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.within)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	url := ""
	last := errors.New("its agent was never asked")
	for polls := 0; ; polls++ {
		// The engine is asked rarely: many machines start at once, and its
		// answers cost more than the agent's.
		if url == "" && polls%pollsPerAsk == 0 {
			var err error
			if url, err = a.url(ctx); err != nil && ctx.Err() == nil {
				last = err
			}
		}
		if url != "" {
			err := observe.Ready(ctx, url, sys.nonce)
			if err == nil {
				return url, nil
			}
			if ctx.Err() == nil {
				last = err
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return "", ctx.Err()
			}
			return "", sys.stage.withTail(ctx, a.id, fmt.Errorf("not ready after %v: %w%s", a.within, last, a.remedy))
		case <-tick.C:
		}
	}
}

// setCPUQuota limits the CPU of a machine that is ready.
func (sys *System) setCPUQuota(ctx context.Context, i int, quota cpuQuota) error {
	m := sys.machines[i]
	result, err := sys.stage.cli.ContainerUpdate(ctx, sys.containers[i], client.ContainerUpdateOptions{
		Resources: &container.Resources{CPUQuota: quota.quotaMicros, CPUPeriod: quota.periodMicros},
	})
	if err != nil {
		return fmt.Errorf("machine %s: limit its CPU to %.3f: %w", m.Name, quota.cpus(), err)
	}
	if len(result.Warnings) > 0 {
		return fmt.Errorf("machine %s: the engine did not limit its CPU: %s", m.Name, result.Warnings[0])
	}
	return nil
}

// Resize implements stage.Resizer.
func (sys *System) Resize(ctx context.Context, group string, factor float64) error {
	found := false
	for i, m := range sys.request.Topology.Machines {
		if cmp.Or(m.Group, m.Name) != group {
			continue
		}
		found = true
		quota, err := quotaFor(sys.quotas[i].cpus()*factor, sys.stage.options.Period)
		if err != nil {
			return fmt.Errorf("resize machine %s to %v of its size: %w", m.Name, factor, err)
		}
		if err := sys.setCPUQuota(ctx, i, quota); err != nil {
			return err
		}
		sys.machines[i].QuotaCPUs = quota.cpus()
	}
	if !found {
		return fmt.Errorf("resize: %s has no machines of group %q", sys.request.Variant, group)
	}
	return nil
}

// mounts are a volume of the machine's own for what it stores, and, read-only, the
// datasets that its processes begin with. A sweep finds the volume by its labels. An
// image of the user's own sees no dataset: its volume is filled before it starts.
func (s *Stage) mounts(t scenarios.Topology, m scenarios.Machine) []mount.Mount {
	if !m.Stores() {
		return nil
	}
	own := &mount.VolumeOptions{Labels: labelsOf(s.owner, s.options.RunID, nil)}
	if p, foreign := m.Foreign(); foreign {
		_, own.NoCopy = t.DatasetOf(m, p) // else the engine would put there what the image has
		return []mount.Mount{{Type: mount.TypeVolume, Target: p.Service.Data, VolumeOptions: own}}
	}
	mounts := []mount.Mount{{Type: mount.TypeVolume, Target: spec.DataDir, VolumeOptions: own}}
	for _, p := range m.Processes {
		if d, begins := t.DatasetOf(m, p); begins {
			mounts = append(mounts, s.datasetMount(s.volumeOf(d), spec.InMachine(p), true))
		}
	}
	return mounts
}

// EntryURL implements stage.System: http://before-balancer:8080.
func (sys *System) EntryURL(from string) string { return sys.entryURLs[from] }

// Machines implements stage.System.
func (sys *System) Machines() []stage.Machine { return slices.Clone(sys.machines) }

// Deaths implements stage.System.
func (sys *System) Deaths() []stage.Death { return sys.watch.Deaths() }

// Close removes the system's containers with their volumes, whether ctx has
// ended or not, within 15 s. A system that is closed stays so without error.
func (sys *System) Close(ctx context.Context) error {
	sys.closeMu.Lock()
	defer sys.closeMu.Unlock()
	if sys.closed {
		return nil
	}
	sys.watch.Stopping()
	sys.stopFollow()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if err := sys.remove(ctx); err != nil {
		return fmt.Errorf("close %s: %w", sys.request.Variant, err)
	}
	sys.closed = true
	sys.stage.mu.Lock()
	defer sys.stage.mu.Unlock()
	delete(sys.stage.running, sys.request.Variant)
	return nil
}

func (sys *System) remove(ctx context.Context) error {
	filters := labelled(labelRun, sys.stage.options.RunID)
	_, err := removeAll(ctx, sys.stage.cli, filters, func(labels map[string]string) bool {
		return labels[labelInstance] == sys.label()
	})
	return err
}

// host is a machine's name in the run's network.
func (sys *System) host(machine string) string { return string(sys.request.Variant) + "-" + machine }

// label names this start within the run.
func (sys *System) label() string {
	if sys.request.Instance == "" {
		return string(sys.request.Variant)
	}
	return sys.request.Instance + "-" + string(sys.request.Variant)
}
