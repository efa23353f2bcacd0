// SPDX-License-Identifier: Apache-2.0

package email

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	errBroken = errors.New("broken for the test")
	quiet     = slog.New(slog.DiscardHandler)
)

func TestBackgroundIsBounded(t *testing.T) {
	m := NewBackground(func(context.Context, Message) error { return nil }, quiet)
	for i := range capacity {
		if err := m.Admit(); err != nil {
			t.Fatalf("place %d: %v", i, err)
		}
	}
	if err := m.Admit(); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the last place: %v, want ErrBusy", err)
	}
	m.Withdraw()
	if err := m.Admit(); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}

func TestBackgroundDrainsAtStop(t *testing.T) {
	var sent atomic.Int64
	m := NewBackground(func(context.Context, Message) error { sent.Add(1); return nil }, quiet)
	for range 100 {
		if err := m.Admit(); err != nil {
			t.Fatal(err)
		}
		_ = m.Confirm(t.Context(), Message{})
	}
	m.Start(t.Context())
	m.Stop()
	if sent.Load() != 100 || len(m.places) != 0 {
		t.Errorf("%d sent, %d places taken, want 100 and 0", sent.Load(), len(m.places))
	}
}

func TestBackgroundRetriesThenCountsTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried atomic.Int64
		m := NewBackground(func(context.Context, Message) error { tried.Add(1); return errBroken }, quiet)
		m.Start(t.Context())
		_ = m.Admit()
		_ = m.Confirm(t.Context(), Message{})
		m.Stop()
		if tried.Load() != attempts || m.lost.Load() != 1 {
			t.Errorf("%d attempts, %d lost, want %d and 1", tried.Load(), m.lost.Load(), attempts)
		}
	})
}
