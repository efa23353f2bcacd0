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

// lastLimit is how long a program that lost its starter may take to stop.
const lastLimit = 15 * time.Second

// lifeline ends a child when the program that started it is gone, by whatever
// signal: a pipe that only the starter holds open, and whose end the child waits
// for. Unlike a parent-death signal it does not hang on a thread, and unlike a
// pid it cannot be reused. A nil lifeline is none.
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

// letGo closes this program's copy of the child's end.
func (l *lifeline) letGo() {
	if l != nil {
		l.inherited.Close()
	}
}

// cut ends the lifeline.
func (l *lifeline) cut() {
	if l != nil {
		l.hold.Close()
	}
}

// Follow returns a ctx that ends with the lifeline, or ctx itself for a program
// that has none. A program that goes on for 15 s after its end is ended.
func Follow(ctx context.Context) (context.Context, error) {
	text, tied := os.LookupEnv(lifelineVariable)
	if !tied {
		return ctx, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%s=%q: %w", lifelineVariable, text, err)
	}
	// What this program starts must not take the descriptor for its own.
	syscall.CloseOnExec(fd)
	if err := os.Unsetenv(lifelineVariable); err != nil {
		return nil, err
	}
	line := os.NewFile(uintptr(fd), "lifeline")
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, line) // until the other end is closed
		cancel(errors.New("the program that started this one is gone"))
		time.Sleep(lastLimit)
		os.Exit(1)
	}()
	return ctx, nil
}
