// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"headroom/internal/child"
)

const (
	reapTimeout     = time.Minute
	reapSettle      = time.Second // in which the engine ends what it was making for the dead
	reaperExitLimit = 5 * time.Second
)

// reapNothing is what an owner that has cleaned up says to its reaper.
const reapNothing = "clean\n"

// Reap is the body of the hidden command `headroom reap RUN`, a child of the
// run's process. It reads its stdin, a pipe that only that process holds open:
// the end of it means that the process is gone, by whatever signal, and Reap
// then removes everything that carries the run's id. An owner that has removed
// everything itself says so before it closes the pipe.
func Reap(ctx context.Context, runID string, stdin io.Reader) error {
	type result struct {
		said []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		said, err := io.ReadAll(io.LimitReader(stdin, int64(len(reapNothing))))
		read <- result{said, err}
	}()
	select {
	case <-ctx.Done(): // the owner may be alive
		return ctx.Err()
	case r := <-read:
		if r.err != nil {
			return fmt.Errorf("wait for the end of run %s: %w", runID, r.err)
		}
		if bytes.Equal(r.said, []byte(reapNothing)) {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reapTimeout)
	defer cancel()
	cli, err := Connect(ctx)
	if err != nil {
		return err
	}
	defer cli.Close()
	if _, err := removeRun(ctx, cli, runID); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(reapSettle):
	}
	_, err = removeRun(ctx, cli, runID)
	return err
}

// reaper is the running child.
type reaper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// startReaper starts the child in a session of its own, so that a Ctrl-C in
// the terminal, or its closing, does not reach it.
func startReaper(command []string, runID string) (*reaper, error) {
	if len(command) == 0 {
		self, err := child.Self()
		if err != nil {
			return nil, err
		}
		command = append(self, "reap")
	}
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], runID)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{cmd: cmd, stdin: stdin}, nil
}

// stop ends the child. A clean run needs nothing of it, and it is gone at
// once; otherwise it is left to work on, and reaped by init when we are gone.
func (r *reaper) stop(clean bool) error {
	if clean {
		// A child that is gone already cannot read; Wait tells.
		_, _ = io.WriteString(r.stdin, reapNothing)
	}
	if err := r.stdin.Close(); err != nil || !clean {
		return err
	}
	kill := time.AfterFunc(reaperExitLimit, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("reaper: %w", err)
	}
	return nil
}
