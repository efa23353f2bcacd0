package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	postgresShmBytes = 256 << 20 // its parallel queries share memory there; the engine's default is 64 MiB
	bytesPerGiB      = 1 << 30
)

// StartOptions say at which scale and from which data a system starts.
type StartOptions struct {
	UnitCPUs     float64       // one vCPU of the topology is this many CPUs here
	Period       time.Duration // of the CPU quotas
	Dataset      scenarios.Dataset
	Instance     string        // tells the starts of a run apart: "block-1"
	ReadyTimeout time.Duration // of each machine; 0 is stage.DefaultReadyTimeout
	LimitLater   bool          // leaves the machines' CPUs to Limit
}

// Machine is one running machine.
type Machine struct {
	Name             string
	Group            string
	External         bool
	AgentURL         string  // http://127.0.0.1:49153
	QuotaCPUs        float64 // what it may use
	MemoryLimitBytes int64   // 0 is none
	ContainerID      string
}

// System is a topology that runs.
type System struct {
	stage     *Stage
	variant   scenarios.Variant
	topology  scenarios.Topology
	options   StartOptions
	entryURLs map[string]string // by where users are; "" is the main one
	nonce     string
	quotas    []cpuQuota // by machine, as started
	machines  []Machine  // in the topology's order

	closeMu sync.Mutex
	closed  bool
}

// Start brings up variant v as topology t and returns when every machine is
// ready and, without LimitLater, clamped to its share of CPU. On an error, which
// holds the end of the failed machine's log, nothing is left of it. A variant
// runs once at a time, because its machines' names in the network are the
// variant's.
func (s *Stage) Start(ctx context.Context, v scenarios.Variant, t scenarios.Topology, options StartOptions) (*System, error) {
	sys, err := s.plan(v, t, options)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", v, err)
	}
	if err := s.claim(sys); err != nil {
		return nil, fmt.Errorf("start %s: %w", v, err)
	}
	if err := sys.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", v, err), sys.Close(ctx))
	}
	return sys, nil
}

// plan works out everything that can be wrong before anything is started.
func (s *Stage) plan(v scenarios.Variant, t scenarios.Topology, options StartOptions) (*System, error) {
	if options.ReadyTimeout == 0 {
		options.ReadyTimeout = stage.DefaultReadyTimeout
	}
	sys := &System{stage: s, variant: v, topology: t, options: options, machines: make([]Machine, len(t.Machines))}
	var err error
	if sys.entryURLs, err = stage.EntryURLs(t, sys.host); err != nil {
		return nil, err
	}
	for i, m := range t.Machines {
		quota, err := machineQuota(m, options.UnitCPUs, options.Period)
		if err != nil {
			return nil, err
		}
		sys.quotas = append(sys.quotas, quota)
		sys.machines[i] = Machine{
			Name:             m.Name,
			Group:            m.Group,
			External:         m.External,
			QuotaCPUs:        quota.cpus(),
			MemoryLimitBytes: int64(m.MemoryGiB * bytesPerGiB),
		}
	}
	sys.nonce = stage.NewNonce()
	return sys, nil
}

// claim takes the variant's names, or refuses.
func (s *Stage) claim(sys *System) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[sys.variant] != nil {
		return errors.New("it runs already: close it first")
	}
	for _, m := range sys.topology.Machines {
		// The engine would mount an empty volume of that name instead.
		if stage.NeedsDataset(m) && !s.datasets[sys.options.Dataset] {
			return fmt.Errorf("machine %s needs a dataset that is not seeded: call EnsureDataset before", m.Name)
		}
	}
	s.running[sys.variant] = sys
	return nil
}

// up makes all containers at once, and starts each when the machines that it
// needs are ready and it is made.
func (sys *System) up(ctx context.Context) error {
	made := make([]chan testcontainers.Container, len(sys.topology.Machines))
	makeCtx, stop := context.WithCancel(ctx)
	defer stop()
	making, makeCtx := errgroup.WithContext(makeCtx)
	for i, m := range sys.topology.Machines {
		made[i] = make(chan testcontainers.Container, 1)
		making.Go(func() error {
			c, err := sys.makeMachine(makeCtx, m, &sys.machines[i])
			if err != nil {
				return fmt.Errorf("machine %s: %w", m.Name, err)
			}
			made[i] <- c
			return nil
		})
	}
	err := stage.InOrder(makeCtx, sys.topology, func(ctx context.Context, m scenarios.Machine, i int) error {
		select {
		case c := <-made[i]:
			return sys.startMachine(ctx, c, &sys.machines[i])
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
	if err != nil || sys.options.LimitLater {
		return err
	}
	return sys.Limit(ctx)
}

// Limit clamps every machine to its share of CPU.
func (sys *System) Limit(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range sys.machines {
		group.Go(func() error { return sys.clamp(groupCtx, sys.machines[i], sys.quotas[i]) })
	}
	return group.Wait()
}

// makeMachine makes a machine's container, and does not start it.
func (sys *System) makeMachine(ctx context.Context, m scenarios.Machine, running *Machine) (testcontainers.Container, error) {
	machineSpec, err := spec.ForMachine(sys.topology, m, sys.host, sys.nonce, sys.options.Dataset, nil)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(machineSpec)
	if err != nil {
		return nil, err
	}
	c := containerSpec{
		name:        sys.label() + "-" + m.Name,
		host:        sys.host(m.Name),
		instance:    sys.label(),
		env:         map[string]string{spec.EnvSpec: string(encoded)},
		memoryBytes: running.MemoryLimitBytes,
	}
	if stage.Runs(m, scenarios.KindPostgres) {
		c.shmBytes = postgresShmBytes
		c.mounts = sys.stage.databaseMounts(m, sys.options.Dataset)
	}
	made, err := sys.stage.create(ctx, c)
	if err == nil {
		running.ContainerID = made.GetContainerID()
	}
	return made, err
}

// startMachine starts a machine's container, and returns when the machine is
// ready.
func (sys *System) startMachine(ctx context.Context, made testcontainers.Container, running *Machine) (err error) {
	began := time.Now()
	if err := made.Start(ctx); err != nil {
		return fmt.Errorf("machine %s: %w", running.Name, err)
	}
	if running.AgentURL, err = sys.waitReady(ctx, made); err != nil {
		return fmt.Errorf("machine %s: %w", running.Name, err)
	}
	sys.stage.progress("%s: machine %s is ready after %.1f s", sys.variant, running.Name, time.Since(began).Seconds())
	return nil
}

// waitReady polls the machine's agent until it is ready, the machine stops, or
// the time is over, and returns the agent's URL.
func (sys *System) waitReady(ctx context.Context, c testcontainers.Container) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sys.options.ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	id, url := c.GetContainerID(), ""
	last := errors.New("its agent was never asked")
	for polls := 0; ; polls++ {
		// The engine is asked rarely: many machines start at once, and its
		// answers cost more than the agent's.
		if polls%pollsPerInspect == 0 {
			inspected, err := c.Inspect(ctx)
			if err == nil {
				if err := stopped(inspected.State); err != nil {
					return "", sys.stage.withTail(ctx, id, err)
				}
				url, err = c.PortEndpoint(ctx, agentPort.String(), "http")
			}
			if err != nil && ctx.Err() == nil {
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
			return "", sys.stage.withTail(ctx, id, fmt.Errorf("not ready after %v: %w", sys.options.ReadyTimeout, last))
		case <-tick.C:
		}
	}
}

// clamp limits the CPU of a machine that is ready.
func (sys *System) clamp(ctx context.Context, m Machine, quota cpuQuota) error {
	result, err := sys.stage.cli.ContainerUpdate(ctx, m.ContainerID, client.ContainerUpdateOptions{
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

// Resize sets the CPU quota of every machine of a group to factor times what it
// was started with; the machines go on running. It must not run at the same
// time as Machines.
func (sys *System) Resize(ctx context.Context, group string, factor float64) error {
	found := false
	for i, m := range sys.topology.Machines {
		if cmp.Or(m.Group, m.Name) != group {
			continue
		}
		found = true
		quota, err := quotaFor(sys.quotas[i].cpus()*factor, sys.options.Period)
		if err != nil {
			return fmt.Errorf("resize machine %s to %v of its size: %w", m.Name, factor, err)
		}
		if err := sys.clamp(ctx, sys.machines[i], quota); err != nil {
			return err
		}
		sys.machines[i].QuotaCPUs = quota.cpus()
	}
	if !found {
		return fmt.Errorf("resize: %s has no machines of group %q", sys.variant, group)
	}
	return nil
}

// databaseMounts are a volume of its own for what the machine keeps, and the
// seeded data, read-only, where it starts from them. The former's labels let a
// sweep find it.
func (s *Stage) databaseMounts(m scenarios.Machine, d scenarios.Dataset) []mount.Mount {
	mounts := []mount.Mount{{
		Type: mount.TypeVolume, Target: spec.DataDir,
		VolumeOptions: &mount.VolumeOptions{Labels: s.owner.labels(s.options.RunID, nil)},
	}}
	if stage.NeedsDataset(m) {
		mounts = append(mounts, mount.Mount{
			Type: mount.TypeVolume, Source: datasetVolume(d, s.options.DatasetVersion), Target: spec.DatasetDir, ReadOnly: true,
		})
	}
	return mounts
}

// EntryURL returns where users of a place talk to the system, as seen inside
// the run's network: http://before-balancer:8080. "" is the main entry.
func (sys *System) EntryURL(from string) string { return sys.entryURLs[from] }

// Nonce returns what every agent's answer must carry.
func (sys *System) Nonce() string { return sys.nonce }

// Machines returns the running machines in the topology's order.
func (sys *System) Machines() []Machine { return append([]Machine(nil), sys.machines...) }

// Close removes the system's containers with their volumes, whether ctx has
// ended or not, within 15 s. A system that is closed stays so without error.
func (sys *System) Close(ctx context.Context) error {
	sys.closeMu.Lock()
	defer sys.closeMu.Unlock()
	if sys.closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if err := sys.remove(ctx); err != nil {
		return fmt.Errorf("close %s: %w", sys.variant, err)
	}
	sys.closed = true
	sys.stage.mu.Lock()
	defer sys.stage.mu.Unlock()
	delete(sys.stage.running, sys.variant)
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
func (sys *System) host(machine string) string { return string(sys.variant) + "-" + machine }

// label names this start within the run.
func (sys *System) label() string {
	if sys.options.Instance == "" {
		return string(sys.variant)
	}
	return sys.options.Instance + "-" + string(sys.variant)
}
