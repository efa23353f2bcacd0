// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestBackgroundEmailIsBounded(t *testing.T) {
	m := newBackgroundEmail(func(context.Context, email) error { return nil }, quiet())
	for i := range emailQueue {
		if err := m.admit(); err != nil {
			t.Fatalf("place %d: %v", i, err)
		}
	}
	if err := m.admit(); !errors.Is(err, errBusy) {
		t.Errorf("beyond the last place: %v, want errBusy", err)
	}
	m.withdraw()
	if err := m.admit(); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}

func TestBackgroundEmailDrainsAtStop(t *testing.T) {
	var sent atomic.Int64
	m := newBackgroundEmail(func(context.Context, email) error { sent.Add(1); return nil }, quiet())
	for range 100 {
		if err := m.admit(); err != nil {
			t.Fatal(err)
		}
		_ = m.confirm(t.Context(), email{})
	}
	m.start(t.Context())
	m.stop()
	if sent.Load() != 100 || len(m.places) != 0 {
		t.Errorf("%d sent, %d places taken, want 100 and 0", sent.Load(), len(m.places))
	}
}

func TestBackgroundEmailRetriesThenCountsTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		m := newBackgroundEmail(func(context.Context, email) error { attempts.Add(1); return errBroken }, quiet())
		m.start(t.Context())
		_ = m.admit()
		_ = m.confirm(t.Context(), email{})
		m.stop()
		if attempts.Load() != emailAttempts || m.lost.Load() != 1 {
			t.Errorf("%d attempts, %d lost, want %d and 1", attempts.Load(), m.lost.Load(), emailAttempts)
		}
	})
}

func TestInlineEmailReachesTheProvider(t *testing.T) {
	provider := httptest.NewServer(mailRoutes(0))
	defer provider.Close()
	send, closeIdle := mailClient(provider.URL)
	defer closeIdle()
	if err := (inlineEmail{send}).confirm(t.Context(), email{To: "a@shop.example"}); err != nil {
		t.Errorf("provider there: %v", err)
	}
	provider.Close()
	if err := (inlineEmail{send}).confirm(t.Context(), email{}); !errors.Is(err, errMail) {
		t.Errorf("provider away: %v, want errMail", err)
	}
}
