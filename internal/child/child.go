// SPDX-License-Identifier: Apache-2.0

// Package child starts programs, keeps the end of what they print, and makes sure
// that no child outlives the program that started it.
//
//  1. A Runner starts children, each in a process group of its own. A Child says
//     when and how it ended; Stop asks it to end, and then kills its group.
//  2. A Log keeps a child's last lines for the error that names it.
//  3. A tied child ends when its starter is gone, by whatever signal (FollowLifeline).
//     A child that knows nothing of this gets a signal from the kernel instead.
//  4. A folder's lock tells whether the program that took it is alive (LockDir).
package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// drainTimeout bounds the wait for output of a child that has exited but left
// another process holding its pipe.
const drainTimeout = 2 * time.Second

// Options say how a child is started.
type Options struct {
	Name string         // for errors, and before each of its lines
	Stop syscall.Signal // asks it to end without losing anything; 0 is SIGTERM
	// Out gets each line with the name before it; nil: only the Log keeps the last
	// lines. A standard output that the command names itself goes there instead.
	Out io.Writer
	// Tied ties the child to this program by a lifeline. It is for our own
	// programs, which call FollowLifeline; the others get the Stop signal from the kernel.
	Tied bool
}

// Child is one running process, in a process group of its own: an interrupt in the
// terminal reaches the starter alone, which hands it on.
type Child struct {
	Name string
	PID  int
	Log  *Log

	stop syscall.Signal
	done chan struct{} // closed once the process is gone
	err  error         // read after done
}

// Runner starts children and knows every one that runs, so a reaper of orphans never
// takes the exit status of a child. The zero Runner is ready.
type Runner struct {
	mu   sync.Mutex
	pids map[int]bool
}

// Start runs cmd. Its error names the child.
func (f *Runner) Start(cmd *exec.Cmd, o Options) (*Child, error) {
	c := &Child{Name: o.Name, Log: NewLog(o.Name, o.Out), stop: o.Stop, done: make(chan struct{})}
	if c.stop == 0 {
		c.stop = syscall.SIGTERM
	}
	cmd.Stderr = c.Log
	if cmd.Stdout == nil {
		cmd.Stdout = c.Log
	}
	cmd.WaitDelay = drainTimeout
	line, err := o.protect(cmd, c.stop)
	if err == nil {
		err = f.begin(cmd)
	}
	line.closeInherited()
	if err != nil {
		line.close()
		return nil, fmt.Errorf("process %s: starting %s: %w", o.Name, cmd.Path, err)
	}
	c.PID = cmd.Process.Pid
	go func() {
		err := cmd.Wait()
		c.Kill() // what it left behind in its group; later the group may be a stranger's
		line.close()
		c.Log.flush()
		f.mu.Lock()
		delete(f.pids, c.PID)
		f.mu.Unlock()
		c.err = err
		close(c.done)
	}()
	return c, nil
}

// protect makes the child end with this program.
func (o Options) protect(cmd *exec.Cmd, stop syscall.Signal) (*lifeline, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if o.Tied {
		return tie(cmd)
	}
	// The kernel sends the signal when our thread ends. No thread of this program
	// ends before the program.
	cmd.SysProcAttr.Pdeathsig = stop
	return nil, nil
}

// begin starts the command and notes its pid, in one step for a reaper.
func (f *Runner) begin(cmd *exec.Cmd) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	if f.pids == nil {
		f.pids = make(map[int]bool)
	}
	f.pids[cmd.Process.Pid] = true
	return nil
}

// Run runs cmd to its end. The error holds the last lines of what it printed.
func (f *Runner) Run(ctx context.Context, cmd *exec.Cmd, o Options) error {
	c, err := f.Start(cmd, o)
	if err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.Kill()
		<-c.done
		return fmt.Errorf("process %s: stopped: %w", o.Name, context.Cause(ctx))
	}
	if c.err == nil {
		return nil
	}
	return c.Log.Explain(fmt.Errorf("process %s: %w", o.Name, c.err))
}

// Reap takes the exit status of dead processes whose parent has ended. PID 1, which
// becomes their parent, has to do that. Reap leaves the runner's own children to
// their Child.
func (f *Runner) Reap(orphans []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pid := range orphans {
		if !f.pids[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// Done is closed once the child is gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is how the child ended, nil for exit status 0. It is known once Done is
// closed.
func (c *Child) Err() error { return c.err }

// Death is Err for a child that was not to end: exit status 0 is an error too.
func (c *Child) Death() error {
	if c.err == nil {
		return errors.New("exit status 0")
	}
	return c.err
}

// gone says whether the process has exited.
func (c *Child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Kill ends the whole process group at once.
func (c *Child) Kill() { _ = syscall.Kill(-c.PID, syscall.SIGKILL) }

// Stop asks the child to end, kills its group after the timeout, and returns when
// the child is gone. killed says that the timeout was reached.
func (c *Child) Stop(timeout time.Duration) (killed bool) {
	if c.gone() {
		return false
	}
	_ = syscall.Kill(c.PID, c.stop)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		killed = true
		c.Kill()
		<-c.done // drainTimeout bounds it
	}
	return killed
}

// SelfCommand is the command line of this very program.
func SelfCommand() ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the headroom binary: %w", err)
	}
	return []string{path}, nil
}
