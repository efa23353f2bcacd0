// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"headroom/harness/stage"
	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	// seedVariant is whose process makes data. No variant of a scenario has the name.
	seedVariant scenarios.Variant = "seed"
	// stopTimeout is how long a program may take to stop for good: what it holds in
	// memory goes to disk.
	stopTimeout = time.Minute
	// copyTimeout bounds the copy of a dataset for one machine.
	copyTimeout = 10 * time.Minute
	// signalCode and the number of a signal are the exit code of what the signal ended.
	signalCode = 128
	killedCode = signalCode + int(syscall.SIGKILL)
	maxMarker  = 1 << 20 // bytes
)

// plainHost is a name that a host may have behind that of its variant.
var plainHost = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

// seedOwn fills a volume with what a process in an image of the user's own begins with,
// unless it is full. The process runs as in a variant, but alone and without limits,
// with the command beside it in its container. What the process keeps is taken once the
// process has stopped: until then nothing of it is in the volume. All else belongs to the
// run and goes with it.
func (s *Stage) seedOwn(ctx context.Context, d scenarios.Dataset, volume string) (err error) {
	if full, err := s.isFull(ctx, d, volume); full || err != nil {
		return err
	}
	started, err := s.Start(ctx, stage.Request{Variant: seedVariant, Topology: seedTopology(d), Instance: volume})
	if err != nil {
		return err
	}
	sys := started.(*System)
	defer func() { err = errors.Join(err, sys.Close(ctx)) }()
	kept, err := s.volumeAt(ctx, sys.containers[0], d.Process.Service.Data)
	if err != nil {
		return fmt.Errorf("process %s: %w", d.Process.Name, err)
	}
	if err := s.runSeed(ctx, sys.containers[0], d); err != nil {
		return err
	}
	sys.watch.Stopping() // its end is no death
	sys.stopFollow()
	if err := s.stopWell(ctx, sys.containers[0]); err != nil {
		return fmt.Errorf("process %s: when it was stopped: %w", d.Process.Name, err)
	}
	told := spec.Spec{Machine: "seed", Nonce: stage.NewNonce(), Seed: &spec.Seed{Dir: spec.DatasetDir, Key: d.Key(), Made: spec.OwnDir}}
	err = s.runMachine(ctx, told, containerSpec{name: "keep-" + volume, instance: sys.label(), mounts: []mount.Mount{
		s.datasetMount(volume, spec.DatasetDir, false),
		{Type: mount.TypeVolume, Source: kept, Target: spec.OwnDir, ReadOnly: true},
	}})
	if err != nil {
		return fmt.Errorf("process %s: keeping what is in %s: %w", d.Process.Name, d.Process.Service.Data, err)
	}
	return nil
}

// seedTopology is a machine that runs a dataset's process and nothing else. The files of
// the command are among the process's own. Nothing is counted meanwhile, and no quota
// makes it slow: nobody pays for the machine. The machine is called as its process where
// a host may be called so: then an error names what the scenario has.
func seedTopology(d scenarios.Dataset) scenarios.Topology {
	p, service := d.Process, *d.Process.Service
	service.Limits, service.Counters, service.Attach = scenarios.LimitsFromReady, nil, ""
	service.Files = append([]scenarios.File(nil), service.Files...)
	for _, f := range p.SeedFiles {
		f.Path = spec.Below(scenarios.SeedFilesDir, f.Path)
		service.Files = append(service.Files, f)
	}
	p.Service, p.Seed, p.SeedFiles = &service, nil, nil
	name := string(seedVariant)
	if plainHost.MatchString(p.Name) {
		name = p.Name
	}
	return scenarios.Topology{Label: "the data of " + p.Name, Entry: name + "/" + p.Name, Machines: []scenarios.Machine{
		{Name: name, Group: name, External: true, Processes: []scenarios.Process{p}},
	}}
}

// isFull says whether a volume holds the whole of a dataset. The volume's files are read
// through a container that never starts.
func (s *Stage) isFull(ctx context.Context, d scenarios.Dataset, volume string) (bool, error) {
	c, err := s.create(ctx, containerSpec{name: "look-" + volume, mounts: []mount.Mount{s.datasetMount(volume, spec.DatasetDir, true)}})
	if err != nil {
		return false, err
	}
	defer s.discard(ctx, c.GetContainerID())
	file, err := c.CopyFileFromContainer(ctx, path.Join(spec.DatasetDir, spec.DatasetMarker))
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	var found spec.Marker
	if err := json.NewDecoder(io.LimitReader(file, maxMarker)).Decode(&found); err != nil {
		return false, nil // nobody's dataset: the keeper removes it
	}
	return found.Key == d.Key(), nil
}

// runSeed runs a seed command in the container of its process, in the environment of
// the process, and where its files are. The error holds the last lines of what it said,
// or of a process that ended meanwhile.
func (s *Stage) runSeed(ctx context.Context, id string, d scenarios.Dataset) error {
	options := client.ExecCreateOptions{AttachStdout: true, AttachStderr: true, Cmd: d.Process.Seed}
	if len(d.Process.SeedFiles) > 0 {
		options.WorkingDir = scenarios.SeedFilesDir
	}
	err := s.execIn(ctx, id, options)
	if err == nil {
		return nil
	}
	if log, why := s.endOf(ctx, id); why != nil && ctx.Err() == nil {
		err = fmt.Errorf("process %s died: %w", d.Process.Name, why) // the cause, not what followed from it
		if log != nil {
			err = log.Explain(err)
		}
		return err
	}
	return fmt.Errorf("the seed command: %w", err)
}

// execIn runs a command in a running container to its end. A command that has no time
// left ends with its container.
func (s *Stage) execIn(ctx context.Context, id string, options client.ExecCreateOptions) error {
	created, err := s.cli.ExecCreate(ctx, id, options)
	if err != nil {
		return err
	}
	stream, err := s.cli.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer stream.Close()
	said, copied := child.NewLog("", nil), make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(said, said, stream.Reader)
		copied <- err
	}()
	select {
	case err := <-copied:
		if err != nil {
			return said.Explain(err)
		}
	case <-ctx.Done():
		stream.Close()
		<-copied
		return said.Explain(context.Cause(ctx))
	}
	return s.checkExit(ctx, created.ID, said)
}

// stopWell stops a container by the stop signal of its image, and is an error unless the
// program took the signal well: what ended otherwise may have left half of its data.
func (s *Stage) stopWell(ctx context.Context, id string) error {
	const limit = stopTimeout + driverCallTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the engine did not stop it within %v: see whether the engine answers (docker ps), and try again", limit))
	defer cancel()
	seconds := int(stopTimeout / time.Second)
	if _, err := s.cli.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds}); err != nil {
		return causeOf(ctx, err)
	}
	result, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return causeOf(ctx, err)
	}
	name := ""
	if result.Container.Config != nil {
		name = result.Container.Config.StopSignal
	}
	if err := checkStopped(result.Container.State, stopSignal(name)); err != nil {
		return s.withTail(ctx, id, err)
	}
	return nil
}

// causeOf is why ctx has ended, if it has, and else err: what a call says whose time is
// over holds no remedy.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// checkStopped is nil of a container that ended with success, or by the signal that asked it
// to stop. What was killed at once may have left half of its data, whoever killed it.
func checkStopped(state *container.State, stop syscall.Signal) error {
	switch {
	case state == nil || state.Running:
		return errors.New("the engine says that it runs on")
	case state.OOMKilled:
		return stopped(state)
	case state.ExitCode == killedCode && stop == syscall.SIGKILL:
		return errors.New("its image has it killed at once (STOPSIGNAL SIGKILL): what it held in memory may be lost; name a signal that it obeys (STOPSIGNAL SIGTERM in the Dockerfile)")
	case state.ExitCode == 0 || state.ExitCode == signalCode+int(stop):
		return nil
	case state.ExitCode == killedCode:
		return fmt.Errorf("it did not stop within %v of %s, and was killed: what it held in memory may be lost; see that its first process passes the signal on (exec in an entry point's script) and obeys it, or name another (STOPSIGNAL in the Dockerfile)",
			stopTimeout, unix.SignalName(stop))
	}
	return stopped(state)
}

// stopSignal is the signal that an image names, as SIGINT, INT or 2; SIGTERM where it
// names none.
func stopSignal(name string) syscall.Signal {
	if number, err := strconv.Atoi(name); err == nil && number > 0 {
		return syscall.Signal(number)
	}
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if known := unix.SignalNum(name); known != 0 {
		return known
	}
	return syscall.SIGTERM
}

// volumeAt is the name of the volume that a container has at a folder, which holds all
// that is below the folder.
func (s *Stage) volumeAt(ctx context.Context, id, dir string) (string, error) {
	result, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", err
	}
	return volumeAmong(result.Container.Mounts, dir)
}

// volumeAmong is the name of the volume at a folder. What an image has below the folder
// as a volume of its own would be in no copy of the folder.
func volumeAmong(mounts []container.MountPoint, dir string) (string, error) {
	name := ""
	for _, m := range mounts {
		if m.Destination == dir {
			name = m.Name
		}
		if strings.HasPrefix(m.Destination, dir+"/") {
			return "", fmt.Errorf("the image keeps %s in a volume of its own: write data: %s", m.Destination, m.Destination)
		}
	}
	if name == "" {
		return "", fmt.Errorf("the container has no volume at %s", dir)
	}
	return name, nil
}

// beginOwn fills the volume of a machine that runs an image of the user's own, before
// the machine starts, with what its process begins with, if there is something.
func (sys *System) beginOwn(ctx context.Context, m scenarios.Machine, id string) error {
	p, _ := m.Foreign()
	d, begins := sys.request.Topology.DatasetOf(m, p)
	if !begins {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, copyTimeout, fmt.Errorf("not done within %v: have the seed command make fewer data, or take a faster disk", copyTimeout))
	defer cancel()
	own, err := sys.stage.volumeAt(ctx, id, p.Service.Data)
	if err != nil {
		return err
	}
	told := spec.Spec{Machine: m.Name, Nonce: sys.nonce, Begin: &spec.Begin{
		Dataset: spec.Dataset{Dir: spec.DatasetDir, Key: d.Key()}, To: spec.OwnDir,
	}}
	err = sys.stage.runMachine(ctx, told, containerSpec{name: sys.label() + "-" + m.Name + "-begin", instance: sys.label(), mounts: []mount.Mount{
		sys.stage.datasetMount(sys.stage.volumeOf(d), spec.DatasetDir, true),
		{Type: mount.TypeVolume, Source: own, Target: spec.OwnDir},
	}})
	if err != nil {
		return fmt.Errorf("copying the dataset that %s begins with: %w", p.Name, err)
	}
	return nil
}
