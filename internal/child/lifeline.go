// SPDX-License-Identifier: Apache-2.0

package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// lifelineVariable tells a program that it has a lifeline, and at which descriptor.
const lifelineVariable = "HEADROOM_LIFELINE"

// orphanTimeout is how long a program that lost its starter may take to stop.
const orphanTimeout = 15 * time.Second

// lifeline ends a child when the program that started it is gone, by whatever signal.
// It is a pipe that only the starter holds open; the child waits for the pipe's end.
// Unlike a parent-death signal, a pipe does not depend on a thread. Unlike a pid, it
// can't be reused. A nil lifeline is none.
type lifeline struct {
	hold      *os.File
	inherited *os.File // the child's end
}

// tie gives cmd, not yet started, a lifeline.
func tie(cmd *exec.Cmd) (*lifeline, error) {
	inherited, hold, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a lifeline: %w", err)
	}
	const first = 3 // after stdin, stdout, stderr
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, lifelineVariable+"="+strconv.Itoa(first+len(cmd.ExtraFiles)))
	cmd.ExtraFiles = append(cmd.ExtraFiles, inherited)
	return &lifeline{hold, inherited}, nil
}

// closeInherited closes this program's copy of the child's end.
func (l *lifeline) closeInherited() {
	if l != nil {
		l.inherited.Close()
	}
}

// close ends the lifeline.
func (l *lifeline) close() {
	if l != nil {
		l.hold.Close()
	}
}

// FollowLifeline returns a ctx that ends with the lifeline, or ctx itself for a
// program that has none. A program that still runs 15 s after the lifeline's end is
// ended.
func FollowLifeline(ctx context.Context) (context.Context, error) {
	text, tied := os.LookupEnv(lifelineVariable)
	if !tied {
		return ctx, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%s=%q: %w", lifelineVariable, text, err)
	}
	// A child of this program must not inherit the descriptor.
	syscall.CloseOnExec(fd)
	if err := os.Unsetenv(lifelineVariable); err != nil {
		return nil, err
	}
	line := os.NewFile(uintptr(fd), "lifeline")
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, line) // until the other end is closed
		cancel(errors.New("the program that started this one is gone"))
		time.Sleep(orphanTimeout)
		os.Exit(1)
	}()
	return ctx, nil
}
