// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"headroom/harness/stage"
	"headroom/internal/child"
)

// stopGrace is between SIGTERM and SIGKILL.
const stopGrace = 4 * time.Second

// job is one headroom command that the stage starts.
type job struct {
	name   string
	args   []string
	env    []string
	folder string // works there, and belongs to it
	stdin  []byte
	stdout io.Writer // nil: to the log
}

// launch starts a headroom command. It ends when this process is gone.
func (s *Stage) launch(c job) (*child.Child, error) {
	self := s.options.Command
	cmd := exec.Command(self[0], append(self[1:len(self):len(self)], c.args...)...)
	cmd.Env = append(append(os.Environ(), child.EnvFolder+"="+c.folder), c.env...)
	cmd.Dir = c.folder
	cmd.Stdin = bytes.NewReader(c.stdin)
	cmd.Stdout = c.stdout
	return s.runner.Start(cmd, child.Options{Name: c.name, Tied: true})
}

// Exec implements stage.Stage: the command is a process of its own.
func (s *Stage) Exec(ctx context.Context, stdin []byte, args ...string) (stdout []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &stage.LimitedBuffer{LimitBytes: stage.MaxOutputBytes}
	running, err := s.launch(job{name: "driver", args: args, folder: s.folder, stdin: stdin, stdout: out})
	if err != nil {
		return nil, err
	}
	select {
	case <-running.Done():
		err = running.Err()
	case <-ctx.Done():
		running.Stop(stopGrace)
		err = errors.Join(ctx.Err(), running.Err())
	}
	if err != nil {
		err = running.Log.Explain(fmt.Errorf("driver: headroom %s: %w", strings.Join(args, " "), err))
	}
	return out.Bytes(), err
}
