// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/email"
)

func post(t *testing.T, h http.Handler, path, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest("POST", path, strings.NewReader(body))
	if key != "" {
		request.Header.Set(idempotencyHeader, key)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

func audit(t *testing.T, h http.Handler, ids string) spec.Effects {
	t.Helper()
	recorder := post(t, h, spec.EffectsPath, "", `{"ids":[`+ids+`]}`)
	var seen spec.Effects
	if err := json.Unmarshal(recorder.Body.Bytes(), &seen); err != nil || recorder.Code != 200 {
		t.Fatalf("%d %s", recorder.Code, recorder.Body)
	}
	return seen
}

func TestMailWithAKeyIsSentOnce(t *testing.T) {
	h := routes(0)
	for i, want := range []int{http.StatusAccepted, http.StatusOK} {
		if got := post(t, h, "/send", "mail-1", `{"order":1}`).Code; got != want {
			t.Errorf("mail %d with the key: %d, want %d", i+1, got, want)
		}
		if got := post(t, h, "/send", "", `{"order":2}`).Code; got != http.StatusAccepted {
			t.Errorf("mail %d without a key: %d", i+1, got)
		}
	}
	if seen := audit(t, h, "1,2,3"); seen.Seen[1] != 1 || seen.Seen[2] != 2 || len(seen.Seen) != 3 || seen.Full {
		t.Errorf("audit %+v", seen)
	}
	if got := post(t, h, "/send", strings.Repeat("k", maxKeyBytes+1), `{}`).Code; got != http.StatusBadRequest {
		t.Errorf("long key: %d", got)
	}
}

// Who leaves before the mail is out has not sent it, and may send it anew; who
// asks while it is being sent is told neither yes nor no.
func TestMailInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := routes(time.Second)
		ctx, leave := context.WithCancel(t.Context())
		first := httptest.NewRequest("POST", "/send", strings.NewReader(`{"order":1}`)).WithContext(ctx)
		first.Header.Set(idempotencyHeader, "k")
		go h.ServeHTTP(httptest.NewRecorder(), first)
		synctest.Wait()
		if got := post(t, h, "/send", "k", `{"order":1}`).Code; got != http.StatusConflict {
			t.Errorf("while it is being sent: %d", got)
		}
		leave()
		synctest.Wait()
		if seen := audit(t, h, "1"); seen.Seen[1] != 0 {
			t.Errorf("the client left, and the mail was sent: %+v", seen)
		}
		if got := post(t, h, "/send", "k", `{"order":1}`).Code; got != http.StatusAccepted {
			t.Errorf("again: %d", got)
		}
	})
}

func TestLedgerIsBounded(t *testing.T) {
	l := newLedger(2)
	for order := int64(1); order <= 3; order++ {
		l.sent("", order)
	}
	l.sent("", 1)
	seen := l.seen([]int64{1, 2, 3})
	if _, known := seen.Seen[3]; known || !seen.Full || seen.Seen[1] != 2 || seen.Seen[2] != 1 {
		t.Errorf("%+v: want order 3 unknown", seen)
	}
	for _, key := range []string{"a", "b"} {
		if err := l.begin(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.begin("c"); !errors.Is(err, errFull) {
		t.Errorf("a third key: %v", err)
	}
	l.forget("a")
	if err := l.begin("c"); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
}

func TestAuditRefuses(t *testing.T) {
	h := routes(0)
	many := strings.Repeat("1,", spec.MaxEffects)
	for _, body := range []string{`{"ids":`, `{"ids":["x"]}`, `{"ids":[` + many + `1]}`} {
		if got := post(t, h, spec.EffectsPath, "", body).Code; got != http.StatusBadRequest {
			t.Errorf("%.40s: %d", body, got)
		}
	}
	most := strings.TrimSuffix(strings.Repeat(strconv.FormatInt(1<<62, 10)+",", spec.MaxEffects), ",")
	if seen := audit(t, h, most); len(seen.Seen) != 1 {
		t.Errorf("%d ids seen", len(seen.Seen))
	}
}

// What the shop sends by is what the provider takes.
func TestInlineEmailReachesTheProvider(t *testing.T) {
	provider := httptest.NewServer(routes(0))
	defer provider.Close()
	send, closeIdle := email.Client(provider.URL)
	defer closeIdle()
	if err := (email.Inline{Send: send}).Confirm(t.Context(), email.Message{To: "a@shop.example"}); err != nil {
		t.Errorf("provider there: %v", err)
	}
	provider.Close()
	if err := (email.Inline{Send: send}).Confirm(t.Context(), email.Message{}); !errors.Is(err, email.ErrProvider) {
		t.Errorf("provider away: %v, want email.ErrProvider", err)
	}
}
