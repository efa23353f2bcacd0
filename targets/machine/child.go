package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// drainLimit bounds the wait for output of a process that has exited but left
// a child holding its pipe.
const drainLimit = 2 * time.Second

// child is one running process, in a process group of its own.
type child struct {
	name string
	pid  int
	log  *lineLog
	stop syscall.Signal

	done chan struct{} // closed once the process is gone
	err  error         // how it ended; read after done
}

// nursery knows every process this program has started, so that the reaper of
// orphans never takes the exit status of one of them.
type nursery struct {
	mu   sync.Mutex
	pids map[int]bool
}

// start runs cmd; its output goes to out, each line behind the name, but for
// the standard output where cmd says where that goes.
func (n *nursery) start(name string, cmd *exec.Cmd, stop syscall.Signal, out io.Writer) (*child, error) {
	log := newLineLog(name, out)
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.WaitDelay = drainLimit
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// We may be killed without a chance to stop it. The signal comes when our
	// thread ends, and no thread of this program ends before the program.
	cmd.SysProcAttr.Pdeathsig = stop

	n.mu.Lock()
	err := cmd.Start()
	if err == nil {
		if n.pids == nil {
			n.pids = make(map[int]bool)
		}
		n.pids[cmd.Process.Pid] = true
	}
	n.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("process %s: starting %s: %w", name, cmd.Path, err)
	}
	c := &child{name: name, pid: cmd.Process.Pid, log: log, stop: stop, done: make(chan struct{})}
	go func() {
		err := cmd.Wait()
		log.flush()
		n.mu.Lock()
		delete(n.pids, c.pid)
		n.mu.Unlock()
		if err == nil {
			err = errors.New("exit status 0")
		}
		c.err = err
		close(c.done)
	}()
	return c, nil
}

// run runs cmd to its end; its error holds the last lines of the output.
func (n *nursery) run(ctx context.Context, name string, cmd *exec.Cmd, out io.Writer) error {
	c, err := n.start(name, cmd, syscall.SIGTERM, out)
	if err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.kill()
		<-c.done
		return fmt.Errorf("process %s: stopped: %w", name, context.Cause(ctx))
	}
	if cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil
	}
	return fmt.Errorf("process %s: %w; %s", name, c.err, c.log.lastLines())
}

// reapOrphans takes the exit status of processes that lost their parent to us,
// as only PID 1 does.
func (n *nursery) reapOrphans(self int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	procs, err := readProcs(procRoot)
	if err != nil {
		return // the next round tries again
	}
	for pid, p := range procs {
		if p.state == 'Z' && p.ppid == self && !n.pids[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// gone says whether the process has exited.
func (c *child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// kill ends the whole process group at once.
func (c *child) kill() { _ = syscall.Kill(-c.pid, syscall.SIGKILL) }

// terminate asks the process to stop and kills its group after limit; killed
// tells which it was.
func (c *child) terminate(limit time.Duration) (killed bool) {
	if c.gone() {
		c.kill() // what it left behind in its group
		return false
	}
	_ = syscall.Kill(c.pid, c.stop)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		killed = true
	}
	c.kill()
	<-c.done
	return killed
}
