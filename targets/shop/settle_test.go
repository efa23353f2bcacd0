// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/email"
)

func settled(behind ...unfinished) *httptest.ResponseRecorder {
	response := httptest.NewRecorder()
	settle(nil, behind)(response, httptest.NewRequest("GET", spec.SettlePath, nil))
	return response
}

// A shop has settled when no mail is waiting or being sent.
func TestSettleWaitsForMails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 80 * time.Millisecond
		m := email.NewBackground(func(context.Context, email.Message) error { time.Sleep(delay); return nil }, quiet)
		for range email.Workers + 1 { // the last waits for a worker
			if err := m.Admit(); err != nil {
				t.Fatal(err)
			}
			_ = m.Confirm(t.Context(), email.Message{})
		}
		m.Start(t.Context())
		began := time.Now()
		got := settled(unfinished{"confirmations", m.Left})
		if took := time.Since(began); got.Code != http.StatusOK || m.Left() != 0 || took < 2*delay || took > 2*delay+settlePoll {
			t.Errorf("%d %s after %v, %d mails are left", got.Code, got.Body, took, m.Left())
		}
		m.Stop()
	})
}

// The wait has an end, and names what it waited for.
func TestSettleGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := email.NewBackground(nil, quiet) // nobody sends
		_ = m.Admit()
		began := time.Now()
		got := settled(unfinished{"purges", func() int { return 0 }}, unfinished{"confirmations", m.Left})
		if took := time.Since(began); got.Code != http.StatusServiceUnavailable || took != settleLimit ||
			strings.TrimSpace(got.Body.String()) != "1 confirmations are still under way: ask again" {
			t.Errorf("%d %q after %v", got.Code, got.Body, took)
		}
	})
}

// A purge is under way from the write on until the edge has answered.
func TestPurgesUnderWay(t *testing.T) {
	asked, finish := make(chan struct{}), make(chan struct{})
	edge := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-finish
	}))
	defer edge.Close()
	p := newPurges(quiet, strings.TrimPrefix(edge.URL, "http://"))
	p.feed()
	p.feed() // adds nothing to the one that is due
	if p.left() != 1 {
		t.Errorf("%d purges are under way, want 1", p.left())
	}
	stop := inBackground(t.Context(), p.run)
	<-asked
	if p.left() != 1 {
		t.Errorf("%d purges are under way while the edge works, want 1", p.left())
	}
	close(finish)
	if got := settled(unfinished{"purges", p.left}); got.Code != http.StatusOK || p.left() != 0 {
		t.Errorf("%d %s, %d purges are under way", got.Code, got.Body, p.left())
	}
	stop()
}

// What the shop asks by itself bears the mark, behind its first word: no count
// takes it for a request's.
func TestFlushIsMarked(t *testing.T) {
	if !strings.HasPrefix(flushSQL, "SELECT "+spec.UnaskedMark+" ") {
		t.Errorf("%s: a count takes this for a request's", flushSQL)
	}
}
