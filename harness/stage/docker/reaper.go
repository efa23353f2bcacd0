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
	reapTimeout       = time.Minute
	reapGrace         = time.Second // in which the engine ends what it was making for the dead
	reaperExitTimeout = 5 * time.Second
)

// cleanedUp is what an owner that has cleaned up says to its reaper.
const cleanedUp = "clean\n"

// Reap is the body of the hidden command `headroom reap RUN`, a child of the run's
// process. Its stdin is a pipe that only that process holds open. When the pipe ends,
// the process is gone, by whatever signal, and Reap removes everything that carries
// the run's id. An owner that has removed everything itself writes cleanedUp before
// it closes the pipe.
func Reap(ctx context.Context, runID string, stdin io.Reader) error {
	type result struct {
		said []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		said, err := io.ReadAll(io.LimitReader(stdin, int64(len(cleanedUp))))
		read <- result{said, err}
	}()
	select {
	case <-ctx.Done(): // the owner may be alive
		return ctx.Err()
	case r := <-read:
		if r.err != nil {
			return fmt.Errorf("wait for the end of run %s: %w", runID, r.err)
		}
		if bytes.Equal(r.said, []byte(cleanedUp)) {
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
	case <-time.After(reapGrace):
	}
	_, err = removeRun(ctx, cli, runID)
	return err
}

// reaper is the running child.
type reaper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// startReaper starts the child in a session of its own: a Ctrl-C in the terminal, or
// the terminal's end, does not reach the child.
func startReaper(command []string, runID string) (*reaper, error) {
	if len(command) == 0 {
		self, err := child.SelfCommand()
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

// stop ends the child. After a clean run the child has nothing to do and ends at
// once. Otherwise the child works on, and init reaps it when we are gone.
func (r *reaper) stop(clean bool) error {
	if clean {
		// A child that is gone already cannot read; Wait tells.
		_, _ = io.WriteString(r.stdin, cleanedUp)
	}
	if err := r.stdin.Close(); err != nil || !clean {
		return err
	}
	kill := time.AfterFunc(reaperExitTimeout, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("reaper: %w", err)
	}
	return nil
}
