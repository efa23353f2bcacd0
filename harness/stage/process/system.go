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
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const pollInterval = 100 * time.Millisecond

// StartOptions say from which data a system starts.
type StartOptions struct {
	Dataset      scenarios.Dataset
	ReadyTimeout time.Duration // of each machine; 0 is stage.DefaultReadyTimeout
}

// Machine is one running machine.
type Machine struct {
	Name     string
	Group    string
	External bool
	AgentURL string // http://127.71.3.9:9900

	address reservation
	folder  string
	child   *child
}

// System is a topology that runs.
type System struct {
	stage    *Stage
	variant  scenarios.Variant
	topology scenarios.Topology
	options  StartOptions
	dataset  string // its folder
	entryURL string
	nonce    string
	machines []Machine // in the topology's order

	closeOnce sync.Once
	closeErr  error
}

// Start brings up variant v as topology t and returns when every machine is
// ready. On an error, which holds the end of the failed machine's log, nothing
// is left of it.
func (s *Stage) Start(ctx context.Context, v scenarios.Variant, t scenarios.Topology, options StartOptions) (*System, error) {
	if options.ReadyTimeout == 0 {
		options.ReadyTimeout = stage.DefaultReadyTimeout
	}
	sys := &System{
		stage: s, variant: v, topology: t, options: options,
		nonce: stage.NewNonce(), machines: make([]Machine, len(t.Machines)),
	}
	s.mu.Lock()
	s.running[sys] = true
	sys.dataset = s.dataset[options.Dataset]
	s.mu.Unlock()
	err := sys.plan()
	if err == nil {
		err = stage.InOrder(ctx, t, sys.startMachine)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", v, err), sys.Close(ctx))
	}
	return sys, nil
}

// plan gives every machine its address and its folder, before any starts: a
// machine's links may lead to any other.
func (sys *System) plan() error {
	entry, port, err := spec.Entry(sys.topology)
	if err != nil {
		return err
	}
	for i, m := range sys.topology.Machines {
		if stage.NeedsDataset(m) && sys.dataset == "" {
			return fmt.Errorf("machine %s needs a dataset that is not seeded: call EnsureDataset before", m.Name)
		}
		ports := []int{spec.AgentPort}
		for _, p := range m.Processes {
			ports = append(ports, p.Port)
		}
		running := Machine{Name: m.Name, Group: m.Group, External: m.External}
		if running.address, err = reserve(ports); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
		sys.machines[i] = running
		if sys.machines[i].folder, err = sys.stage.newFolder(); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
		sys.machines[i].AgentURL = "http://" + net.JoinHostPort(running.address.address, strconv.Itoa(spec.AgentPort))
	}
	sys.entryURL = "http://" + net.JoinHostPort(sys.host(entry), strconv.Itoa(port))
	return nil
}

func (sys *System) startMachine(ctx context.Context, m scenarios.Machine, i int) error {
	began := time.Now()
	running := &sys.machines[i]
	machineSpec, err := spec.ForMachine(sys.topology, m, sys.host, sys.nonce, sys.options.Dataset, &spec.Local{
		Address: running.address.address, DataDir: running.folder, DatasetDir: sys.dataset,
	})
	if err != nil {
		return err
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
	if err := sys.waitReady(ctx, running); err != nil {
		return fmt.Errorf("machine %s: %w", m.Name, err)
	}
	sys.stage.progress("%s: machine %s is ready after %.1f s", sys.variant, m.Name, time.Since(began).Seconds())
	return nil
}

// waitReady asks the machine's agent until it is ready, the machine ends, or
// the time is over.
func (sys *System) waitReady(ctx context.Context, m *Machine) error {
	ctx, cancel := context.WithTimeout(ctx, sys.options.ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last := errors.New("its agent was never asked")
	for {
		err := observe.Ready(ctx, m.AgentURL, sys.nonce)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-m.child.done:
			ending := m.child.err
			if ending == nil {
				ending = errors.New("exit status 0")
			}
			return m.child.log.Explain(fmt.Errorf("it ended before it was ready: %w", ending))
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return m.child.log.Explain(fmt.Errorf("not ready after %v: %w", sys.options.ReadyTimeout, last))
		case <-tick.C:
		}
	}
}

// EntryURL returns where users talk to the system.
func (sys *System) EntryURL() string { return sys.entryURL }

// Nonce returns what every agent's answer must carry.
func (sys *System) Nonce() string { return sys.nonce }

// Machines returns the running machines in the topology's order.
func (sys *System) Machines() []Machine { return append([]Machine(nil), sys.machines...) }

// Close stops the system's machines, whether ctx has ended or not, and removes
// their folders: SIGTERM, 4 s later SIGKILL, and then what a killed machine
// left. Only the first call works; all return its error.
func (sys *System) Close(ctx context.Context) error {
	sys.closeOnce.Do(func() {
		errs := make([]error, len(sys.machines))
		var stopping sync.WaitGroup
		for i := range sys.machines {
			stopping.Go(func() { errs[i] = sys.machines[i].close(ctx) })
		}
		stopping.Wait()
		if err := errors.Join(errs...); err != nil {
			sys.closeErr = fmt.Errorf("close %s: %w", sys.variant, err)
		}
		sys.stage.mu.Lock()
		defer sys.stage.mu.Unlock()
		delete(sys.stage.running, sys)
	})
	return sys.closeErr
}

func (m *Machine) close(ctx context.Context) error {
	var err error
	if m.child != nil {
		m.child.stop()
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
