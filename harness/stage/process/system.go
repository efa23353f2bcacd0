// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"headroom/harness/observe"
	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const pollInterval = 100 * time.Millisecond

// localMachine is one running machine, with what only this stage knows of it.
type localMachine struct {
	stage.Machine
	address reservation
	folder  string
	child   *child.Child
}

// System is a topology that runs. It has no CPU quotas, so it is no Resizer.
type System struct {
	stage     *Stage
	request   stage.Request
	entryURLs map[string]string // by where users are; "" is the main one
	nonce     string
	machines  []localMachine // in the topology's order
	watch     stage.DeathWatch

	closeOnce sync.Once
	closeErr  error
}

// Start implements stage.Stage. The error holds the end of the log of the machine
// that failed first.
func (s *Stage) Start(ctx context.Context, r stage.Request) (stage.System, error) {
	sys := &System{stage: s, request: r, nonce: stage.NewNonce(), machines: make([]localMachine, len(r.Topology.Machines))}
	s.mu.Lock()
	s.running[sys] = true
	s.mu.Unlock()
	err := sys.plan()
	if err == nil {
		err = sys.watch.Start(ctx, func(ctx context.Context) error { return stage.InOrder(ctx, r.Topology, sys.startMachine) })
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", r.Variant, err), sys.Close(ctx))
	}
	return sys, nil
}

// plan gives every machine its address and its folder, before any starts: a
// machine's links may lead to any other.
func (sys *System) plan() error {
	if err := stage.CheckServices(sys.request.Topology, false); err != nil {
		return err
	}
	made := func(d scenarios.Dataset) bool { return sys.stage.datasetDir(d) != "" }
	if err := stage.CheckDatasets(sys.request.Topology, made); err != nil {
		return err
	}
	for i, m := range sys.request.Topology.Machines {
		ports := []int{spec.AgentPort}
		for _, p := range m.Processes {
			ports = append(ports, p.Port)
		}
		running := localMachine{Machine: stage.Machine{Name: m.Name, Group: m.Group, External: m.External, QuotaCPUs: sys.stage.options.HostCPUs}}
		var err error
		if running.address, err = reserve(ports); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
		sys.machines[i] = running
		if sys.machines[i].folder, err = sys.stage.newFolder(); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
		sys.machines[i].Agent = observe.Target{
			Machine: m.Name, Nonce: sys.nonce,
			AgentURL: "http://" + net.JoinHostPort(running.address.address, strconv.Itoa(spec.AgentPort)),
		}
	}
	var err error
	sys.entryURLs, err = stage.EntryURLs(sys.request.Topology, sys.host)
	return err
}

func (sys *System) startMachine(ctx context.Context, m scenarios.Machine, i int) error {
	began := time.Now()
	running := &sys.machines[i]
	datasetDir := func(p scenarios.Process) string {
		d, _ := sys.request.Topology.DatasetOf(m, p)
		return sys.stage.datasetDir(d)
	}
	machineSpec, err := spec.ForMachine(sys.request.Topology, m, sys.host, sys.nonce, datasetDir, &spec.Local{
		Address: running.address.address, DataDir: running.folder,
	})
	if err != nil {
		return err
	}
	if err := machineSpec.PutFiles(); err != nil {
		return fmt.Errorf("machine %s: %w", m.Name, err)
	}
	encoded, err := json.Marshal(machineSpec)
	if err != nil {
		return fmt.Errorf("machine %s: %w", m.Name, err)
	}
	running.child, err = sys.stage.launch(job{
		name: "machine " + m.Name, args: []string{"machine"}, folder: running.folder,
		env: []string{spec.EnvSpec + "=" + string(encoded)},
	})
	if err != nil {
		return err
	}
	go sys.follow(running.Name, running.child)
	if err := sys.waitReady(ctx, running, sys.request.TimeoutOf(m)); err != nil {
		return fmt.Errorf("machine %s: %w", m.Name, err)
	}
	sys.stage.progress("%s: machine %s is ready after %.1f s", sys.request.Variant, m.Name, time.Since(began).Seconds())
	return nil
}

// follow waits for a machine's end, and notes it as its death unless the system
// is being stopped.
func (sys *System) follow(name string, c *child.Child) {
	<-c.Done()
	sys.watch.Died(stage.Death{Machine: name, At: time.Now(), Err: c.Death(), Log: c.Log})
}

// waitReady polls the machine's agent until the machine is ready. It gives up when
// ctx ends, which the machine's death does too.
func (sys *System) waitReady(ctx context.Context, m *localMachine, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last := errors.New("its agent was never asked")
	for {
		err := observe.Ready(ctx, m.Agent.AgentURL, sys.nonce)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return m.child.Log.Explain(fmt.Errorf("not ready after %v: %w", within, last))
		case <-tick.C:
		}
	}
}

// EntryURL implements stage.System.
func (sys *System) EntryURL(from string) string { return sys.entryURLs[from] }

// Machines implements stage.System.
func (sys *System) Machines() []stage.Machine {
	out := make([]stage.Machine, len(sys.machines))
	for i := range sys.machines {
		out[i] = sys.machines[i].Machine
	}
	return out
}

// Deaths implements stage.System.
func (sys *System) Deaths() []stage.Death { return sys.watch.Deaths() }

// Close stops the system's machines, whether ctx has ended or not, and removes
// their folders: SIGTERM, 4 s later SIGKILL, and then what a killed machine
// left. Only the first call works; all return its error.
func (sys *System) Close(ctx context.Context) error {
	sys.closeOnce.Do(func() {
		sys.watch.Stopping()
		errs := make([]error, len(sys.machines))
		var stopping sync.WaitGroup
		for i := range sys.machines {
			stopping.Go(func() { errs[i] = sys.machines[i].close(ctx) })
		}
		stopping.Wait()
		if err := errors.Join(errs...); err != nil {
			sys.closeErr = fmt.Errorf("close %s: %w", sys.request.Variant, err)
		}
		sys.stage.mu.Lock()
		defer sys.stage.mu.Unlock()
		delete(sys.stage.running, sys)
	})
	return sys.closeErr
}

func (m *localMachine) close(ctx context.Context) error {
	var err error
	if m.child != nil {
		m.child.Stop(stopGrace)
	}
	if m.folder != "" {
		_, err = remove(ctx, m.folder)
	}
	if m.address.Closer != nil {
		err = errors.Join(err, m.address.Close())
	}
	if err != nil {
		return fmt.Errorf("machine %s: %w", m.Name, err)
	}
	return nil
}

// host is a machine's address.
func (sys *System) host(machine string) string {
	for i := range sys.machines { // by index: other fields of it may be changing
		if sys.machines[i].Name == machine {
			return sys.machines[i].address.address
		}
	}
	return "" // ForMachine has refused a link that leads nowhere
}
