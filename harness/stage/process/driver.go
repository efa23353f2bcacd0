package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"headroom/harness/stage"
)

// Drive runs `headroom args` as the driver, a process of its own, and returns
// what it wrote. When ctx ends, it gets SIGTERM, 4 s later SIGKILL; what it
// wrote until then is returned with the ctx's error. A command that fails is
// an error that holds the end of its stderr.
func (s *Stage) Drive(ctx context.Context, stdin []byte, args ...string) (stdout []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &stage.LimitedBuffer{LimitBytes: stage.MaxDriverOutputBytes}
	driver, err := s.launch(job{name: "driver", args: args, folder: s.folder, stdin: stdin, stdout: out})
	if err != nil {
		return nil, err
	}
	select {
	case <-driver.done:
		err = driver.err
	case <-ctx.Done():
		driver.stop()
		err = errors.Join(ctx.Err(), driver.err)
	}
	if err != nil {
		err = fmt.Errorf("driver: headroom %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(driver.log.Bytes()))
	}
	return out.Bytes(), err
}
