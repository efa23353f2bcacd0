// SPDX-License-Identifier: Apache-2.0

// Package idle is what the driver's container runs while it waits for work:
// a first process that does nothing but hand on signals.
//
// The work is exec'd beside it, and the engine has no call that signals an exec'd
// process. The engine can signal the first process, and that process may signal all
// others of its container.
package idle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Signals that the container's first process understands; SIGTERM and SIGINT
// keep their meaning for it.
const (
	StopOthers = syscall.SIGUSR1 // all others get SIGTERM
	KillOthers = syscall.SIGUSR2 // all others get SIGKILL
)

// Run waits until ctx ends and hands on signals meanwhile. It is the body of
// the hidden command `headroom idle`, and refuses to run as anything but the
// first process of a container, where "all others" are its own.
func Run(ctx context.Context) error {
	if os.Getpid() != 1 {
		return errors.New("idle is the first process of a driver's container and runs nowhere else")
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, StopOthers, KillOthers)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return nil
		case received := <-signals:
			handOn := syscall.SIGTERM
			if received == KillOthers {
				handOn = syscall.SIGKILL
			}
			// ESRCH: there is nobody else.
			if err := syscall.Kill(-1, handOn); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("signal the container's processes: %w", err)
			}
		}
	}
}
