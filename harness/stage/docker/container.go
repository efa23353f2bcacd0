// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sys/unix"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const (
	createTimeout = time.Minute
	tailTimeout   = 5 * time.Second
	maxOpenFiles  = 65536 // programs that size their tables by the limit must not find millions
	pollInterval  = 100 * time.Millisecond
	pollsPerAsk   = 10 // of a machine's agent, between two questions to the engine
)

// agentPort is the one port that a container publishes.
var agentPort = network.MustParsePort(strconv.Itoa(spec.AgentPort) + "/tcp")

// containerSpec is what differs between the containers of a run.
type containerSpec struct {
	name        string   // after headroom-RUN-
	host        string   // name and alias in the run's network; "" is no network
	instance    string   // label of all that goes together
	image       string   // "" is the machine image
	entrypoint  []string // nil is the image's
	command     []string // nil is the image's
	env         map[string]string
	files       []testcontainers.ContainerFile
	mounts      []mount.Mount
	shmBytes    int64
	memoryBytes int64
	cpu         cpuQuota // zero is unlimited
	cpuShares   int64
}

// create makes a container and does not start it. It is not cancelled with
// ctx: the engine would go on and make a container whose id nobody has.
func (s *Stage) create(ctx context.Context, c containerSpec) (testcontainers.Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
	defer cancel()
	request := testcontainers.ContainerRequest{
		Name:       s.resourceName(c.name),
		Image:      cmp.Or(c.image, s.options.Image),
		Entrypoint: c.entrypoint,
		Cmd:        c.command,
		Env:        c.env,
		Files:      c.files,
		Labels:     labelsOf(s.owner, s.options.RunID, map[string]string{labelInstance: c.instance}),
		// Named even where nothing listens: without a port of ours the library
		// publishes the image's, on all addresses.
		ExposedPorts: []string{agentPort.String()},
		ConfigModifier: func(config *container.Config) {
			config.Hostname = c.host
		},
		HostConfigModifier: func(host *container.HostConfig) { s.hostConfig(c, host) },
	}
	if c.host != "" {
		request.Networks = []string{s.network}
		request.NetworkAliases = map[string][]string{s.network: {c.host}}
	}
	made, err := s.provider.CreateContainer(ctx, request)
	if err == nil {
		return made, nil
	}
	if made != nil {
		_ = removeContainer(ctx, s.cli, made.GetContainerID())
	}
	return nil, fmt.Errorf("container %s: %w", request.Name, err)
}

// run makes a container and starts it.
func (s *Stage) run(ctx context.Context, c containerSpec) (testcontainers.Container, error) {
	made, err := s.create(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := made.Start(ctx); err != nil {
		s.discard(ctx, made.GetContainerID())
		return nil, err
	}
	return made, nil
}

// fileMode lets everybody read a file that is copied into a container, and run it.
const fileMode = 0o755

// fileIn is a file as it is to be in a container, at path.
func fileIn(path string, f scenarios.File) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: bytes.NewReader(f.Content), ContainerFilePath: path, FileMode: fileMode}
}

func (s *Stage) hostConfig(c containerSpec, host *container.HostConfig) {
	// When the library does not find the run's network, it attaches to the default
	// bridge. With the network as the mode the engine refuses instead.
	host.NetworkMode = network.NetworkNone
	if c.host != "" {
		host.NetworkMode = container.NetworkMode(s.network)
	}
	host.PortBindings = network.PortMap{agentPort: {{HostIP: netip.MustParseAddr(loopback)}}}
	host.Mounts = c.mounts
	host.ShmSize = c.shmBytes
	host.LogConfig = container.LogConfig{
		Type:   "json-file",
		Config: map[string]string{"max-size": "5m", "max-file": "2"},
	}
	host.Resources = container.Resources{
		CPUQuota:   c.cpu.quotaMicros,
		CPUPeriod:  c.cpu.periodMicros,
		CPUShares:  c.cpuShares,
		Memory:     c.memoryBytes,
		MemorySwap: c.memoryBytes, // memory and swap together: no swap
		Ulimits:    openFileLimits(),
	}
}

// openFileLimits gives a container as many open files as this process may have. An
// engine inside another container may lack the right to raise its own limit, and
// would not start a container with a higher one.
func openFileLimits() []*units.Ulimit {
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		return nil // the engine's default, then
	}
	files := int64(min(own.Max, maxOpenFiles))
	return []*units.Ulimit{{Name: "nofile", Soft: files, Hard: files}}
}

// resourceName is the name of a container of the run.
func (s *Stage) resourceName(name string) string { return "headroom-" + s.options.RunID + "-" + name }

// stopped returns nil while the container runs, and then why it does not.
func stopped(state *container.State) error {
	switch {
	case state == nil || state.Running:
		return nil
	case state.OOMKilled:
		return fmt.Errorf("out of memory: the kernel killed it (exit code %d)", state.ExitCode)
	default:
		return fmt.Errorf("it exited with code %d", state.ExitCode)
	}
}

// endOf says how a container ended, with its last lines; nil while it runs, and
// while the engine does not tell.
func (s *Stage) endOf(ctx context.Context, id string) (log *child.Log, why error) {
	ctx, cancel := context.WithTimeout(ctx, tailTimeout)
	defer cancel()
	inspected, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return nil, errors.New("its container was removed")
	case err != nil:
		return nil, nil
	}
	if why = stopped(inspected.Container.State); why != nil {
		log, _ = s.tail(ctx, id) // a death without last words is a death too
	}
	return log, why
}

// withTail adds the last lines of the container's log to err.
func (s *Stage) withTail(ctx context.Context, id string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tailTimeout)
	defer cancel()
	tail, tailErr := s.tail(ctx, id)
	if tailErr != nil {
		return fmt.Errorf("%w (and its log cannot be read: %w)", err, tailErr)
	}
	return tail.Explain(err)
}

func (s *Stage) tail(ctx context.Context, id string) (*child.Log, error) {
	logs, err := s.cli.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true,
		ShowStderr: true,
		Tail:       strconv.Itoa(child.TailLines),
	})
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	text := child.NewLog("", nil)
	if _, err := stdcopy.StdCopy(text, text, logs); err != nil && err != io.EOF {
		return nil, err
	}
	return text, nil
}
