// Package lifeline ends a program when the one that started it is gone, by
// whatever signal: a pipe that only the starter holds open, and whose end the
// started program waits for.
//
// Unlike a parent-death signal it does not hang on a thread, and unlike a pid
// it cannot be reused.
package lifeline

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

// variable tells a program that it has a lifeline, and at which descriptor.
const variable = "HEADROOM_LIFELINE"

// lastLimit is how long a program that lost its starter may take to stop.
const lastLimit = 15 * time.Second

// Tie gives cmd, not yet started, a lifeline. It lasts until the caller closes
// its end, or is gone. inherited is the program's end, to be closed once it
// runs.
func Tie(cmd *exec.Cmd) (hold, inherited *os.File, err error) {
	inherited, hold, err = os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a lifeline: %w", err)
	}
	const first = 3 // after stdin, stdout, stderr
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, variable+"="+strconv.Itoa(first+len(cmd.ExtraFiles)))
	cmd.ExtraFiles = append(cmd.ExtraFiles, inherited)
	return hold, inherited, nil
}

// Follow returns a ctx that ends with the lifeline, or ctx itself for a program
// that has none. A program that goes on for 15 s after its end is ended.
func Follow(ctx context.Context) (context.Context, error) {
	text, tied := os.LookupEnv(variable)
	if !tied {
		return ctx, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%s=%q: %w", variable, text, err)
	}
	// What this program starts must not take the descriptor for its own.
	syscall.CloseOnExec(fd)
	if err := os.Unsetenv(variable); err != nil {
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
