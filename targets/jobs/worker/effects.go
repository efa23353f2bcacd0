// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"headroom/targets/jobs"
	"headroom/targets/valkeypool"
)

// ordersKey is the hash user -> orders that analytics keeps.
const ordersKey = "analytics:orders"

// How many jobs of a kind a worker has in hand at once: a mail waits for its
// provider, an image for nothing but the CPU.
const (
	mailSlots      = 32
	imageSlots     = 2
	analyticsSlots = 8
)

// errDuplicate says that the other side has done it already.
var errDuplicate = errors.New("done already")

// effect does a job.
type effect func(context.Context, jobs.Job) error

func effectOf(kind jobs.Kind, c Config, cache *valkeypool.Pool) (apply effect, slots int) {
	switch kind {
	case jobs.Mail:
		return sendMail(c.Mail, c.Idempotent), mailSlots
	case jobs.Image:
		return func(ctx context.Context, _ jobs.Job) error { return burn(ctx, c.ImageWork) }, imageSlots
	default:
		return func(ctx context.Context, j jobs.Job) error {
			_, err := cache.Do(ctx, "HINCRBY", ordersKey, j.User, 1)
			return err
		}, analyticsSlots
	}
}

// sendMail posts to the provider at base; named mails carry an Idempotency-Key.
func sendMail(base string, named bool) effect {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: mailSlots, IdleConnTimeout: time.Minute}}
	return func(ctx context.Context, j jobs.Job) error {
		body, err := json.Marshal(map[string]any{"to": j.Email, "order": j.Order, "text": j.Text})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/send", bytes.NewReader(body))
		if err != nil {
			return err
		}
		if named {
			request.Header.Set("Idempotency-Key", jobs.Mail.ID(j.Order))
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("mail provider: %w", err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 4096)) // read to the end, the connection can be used again
		switch response.StatusCode {
		case http.StatusAccepted:
			return nil
		case http.StatusOK:
			return errDuplicate
		}
		return fmt.Errorf("mail provider: %s answered %s", base, response.Status)
	}
}

// burn stands for rendering a picture: it uses that much time of a CPU, however
// long a machine with less than one takes for it.
func burn(ctx context.Context, work time.Duration) error {
	runtime.LockOSThread() // the clock is the thread's
	defer runtime.UnlockOSThread()
	begin, err := threadTime()
	if err != nil {
		return err
	}
	var picture [4096]byte
	for {
		now, err := threadTime()
		if err != nil || now-begin >= work {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		sum := sha256.Sum256(picture[:])
		copy(picture[:], sum[:])
	}
}

func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read the thread's CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
