// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"headroom/harness/stage"
	"headroom/harness/stage/docker/idle"
	"headroom/internal/child"
)

const (
	driverHost = "driver"
	// driverPeriod is the longest period that the kernel knows. A throttled driver
	// makes its slice invalid. A burst, or the time in which the hypervisor stops this
	// machine, may exceed the quota of the usual 100 ms, but is a small part of a
	// second's.
	driverPeriod      = time.Second
	driverShares      = 10240 // ten times a machine's: the scheduler prefers the driver
	driverCallTimeout = 10 * time.Second
	driverStopGrace   = 3 * time.Second // between SIGTERM and SIGKILL, to write what was measured so far
	driverKillTimeout = 2 * time.Second
)

// driver is a container of the machine image in the run's network, from which
// the load is sent.
type driver struct {
	stage *Stage
	id    string
}

// StartDriver starts the driver's container, idle, with a quota of cpus, for Exec.
// Stage.Close removes it. A stage has one driver.
func (s *Stage) StartDriver(ctx context.Context, cpus float64) error {
	quota, err := quotaFor(cpus, driverPeriod)
	if err != nil {
		return fmt.Errorf("start the driver: %w", err)
	}
	c, err := s.run(ctx, containerSpec{
		name:       driverHost,
		host:       driverHost,
		instance:   driverHost,
		entrypoint: []string{"headroom", "idle"},
		cpu:        quota,
		cpuShares:  driverShares,
	})
	if err != nil {
		return fmt.Errorf("start the driver: %w", err)
	}
	s.driver = &driver{stage: s, id: c.GetContainerID()}
	return nil
}

// Exec implements stage.Stage: the command runs in the driver's container.
func (s *Stage) Exec(ctx context.Context, stdin []byte, args ...string) (stdout []byte, err error) {
	if s.driver == nil {
		return nil, errors.New("the stage has no driver: call StartDriver before")
	}
	if stdout, err = s.driver.run(ctx, stdin, args); err != nil {
		err = fmt.Errorf("driver: headroom %s: %w", strings.Join(args, " "), err)
	}
	return stdout, err
}

func (d *driver) run(ctx context.Context, stdin []byte, args []string) (stdout []byte, err error) {
	cli := d.stage.cli
	created, err := cli.ExecCreate(ctx, d.id, client.ExecCreateOptions{
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Cmd: append([]string{"headroom"}, args...),
	})
	if err != nil {
		return nil, err
	}
	stream, err := cli.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, err
	}
	defer stream.Close()

	// Both goroutines end when the stream does, which the defer sees to.
	go func() {
		// A command that does not read its stdin is its own affair.
		_, _ = stream.Conn.Write(stdin)
		_ = stream.CloseWrite()
	}()
	out, errOut := &stage.LimitedBuffer{LimitBytes: stage.MaxOutputBytes}, child.NewLog("", nil)
	copied := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(out, errOut, stream.Reader)
		copied <- err
	}()
	select {
	case err = <-copied:
		if err != nil { // nobody reads what the command writes any more
			err = errors.Join(err, d.signal(ctx, idle.KillOthers))
		}
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), d.stop(ctx, copied, stream.Close))
	}
	if err == nil {
		err = d.stage.checkExit(ctx, created.ID, errOut)
	}
	return out.Bytes(), err
}

// stop ends the command: asks, then kills, then lets go of its stream. It
// returns when nobody writes to the buffers any more.
func (d *driver) stop(ctx context.Context, copied <-chan error, closeStream func()) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{idle.StopOthers, driverStopGrace}, {idle.KillOthers, driverKillTimeout}} {
		if err := d.signal(ctx, step.signal); err != nil {
			closeStream()
			<-copied
			return err
		}
		select {
		case <-copied:
			return nil
		case <-time.After(step.wait):
		}
	}
	closeStream()
	<-copied
	return errors.New("the command did not end when it was killed")
}

// signal hands a signal of package idle to the container's first process.
func (d *driver) signal(ctx context.Context, s syscall.Signal) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), driverCallTimeout)
	defer cancel()
	_, err := d.stage.cli.ContainerKill(ctx, d.id, client.ContainerKillOptions{Signal: unix.SignalName(s)})
	if err != nil {
		return fmt.Errorf("stop the command: %w", err)
	}
	return nil
}

// checkExit returns nil when the command ended well. The engine closes a
// command's stream a little before it notes its end.
func (s *Stage) checkExit(ctx context.Context, execID string, stderr *child.Log) error {
	ctx, cancel := context.WithTimeout(ctx, driverCallTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval / 10)
	defer tick.Stop()
	for {
		result, err := s.cli.ExecInspect(ctx, execID, client.ExecInspectOptions{})
		switch {
		case err != nil:
			return err
		case !result.Running && result.ExitCode != 0:
			return stderr.Explain(fmt.Errorf("exit code %d", result.ExitCode))
		case !result.Running:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it closed its output and runs on: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
