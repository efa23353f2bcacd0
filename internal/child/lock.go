// SPDX-License-Identifier: Apache-2.0

package child

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headroom/internal/flock"
)

const (
	lockFile = "lock"
	lockPoll = 200 * time.Millisecond
)

// LockDir takes the folder's lock, which ends with the process that holds it. While
// another process has the lock, LockDir waits, until ctx ends.
func LockDir(ctx context.Context, dir string) (unlock func(), err error) {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		unlock, err := TryLockDir(dir)
		if unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another process that holds the lock of %s: %w", dir, context.Cause(ctx))
		}
	}
}

// TryLockDir takes the folder's lock; unlock is nil when another process has the
// lock, which shows that the process is alive.
func TryLockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	taken, err := flock.Try(f)
	if taken {
		return func() { f.Close() }, nil
	}
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return nil, nil
}
