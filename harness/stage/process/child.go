package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"headroom/harness/stage"
	"headroom/harness/stage/process/lifeline"
	"headroom/targets/machine/spec"
)

const (
	stopGrace  = 4 * time.Second // between SIGTERM and SIGKILL
	drainLimit = time.Second     // for output that a grandchild may hold open
)

// child is a headroom command that runs for us, in a process group of its own:
// a Ctrl-C in the terminal is ours to hand on.
type child struct {
	name string
	pid  int
	hold io.Closer // its lifeline
	log  *stage.Tail
	done chan struct{} // closed once it is gone
	err  error         // how it ended, nil for exit status 0; read after done
}

// job is what differs between the commands.
type job struct {
	name   string
	args   []string
	env    []string
	folder string // works there, and belongs to it
	stdin  []byte
	stdout io.Writer // nil: to the log
}

func (s *Stage) launch(j job) (*child, error) {
	command := s.options.Command
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], j.args...)...)
	c := &child{name: j.name, log: &stage.Tail{}, done: make(chan struct{})}
	cmd.Env = append(append(os.Environ(), spec.EnvFolder+"="+j.folder), j.env...)
	cmd.Dir = j.folder
	cmd.Stdin = bytes.NewReader(j.stdin)
	cmd.Stdout, cmd.Stderr = io.Writer(c.log), c.log
	if j.stdout != nil {
		cmd.Stdout = j.stdout
	}
	cmd.WaitDelay = drainLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	hold, inherited, err := lifeline.Tie(cmd)
	if err != nil {
		return nil, err
	}
	err = cmd.Start()
	inherited.Close()
	if err != nil {
		hold.Close()
		return nil, fmt.Errorf("start %s: %w", j.name, err)
	}
	c.hold, c.pid = hold, cmd.Process.Pid
	go func() {
		c.err = cmd.Wait()
		hold.Close()
		close(c.done)
	}()
	return c, nil
}

// stop asks the child to end, and kills its group when it does not.
func (c *child) stop() {
	select {
	case <-c.done:
		return
	default:
	}
	_ = syscall.Kill(c.pid, syscall.SIGTERM)
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		<-c.done // WaitDelay bounds it
	}
}
