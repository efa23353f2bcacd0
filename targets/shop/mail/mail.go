// SPDX-License-Identifier: Apache-2.0

// Package mail stands for a mail provider. Its ledger remembers what was sent: by the
// ledger a mail with a key is sent once, and an audit finds the orders whose mail was
// lost or came twice.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// idempotencyHeader names a mail: a provider sends mails of one name once.
const idempotencyHeader = "Idempotency-Key"

const (
	maxMailBytes  = 64 << 10
	maxKeyBytes   = 64
	maxAuditBytes = 1 << 20 // 20,000 ids of 19 digits, and room
)

// Run serves until ctx ends: POST /send is answered 202 after the delay, GET /health
// 200. The error says why Run could not serve; a stop by ctx is none.
//
// As real providers do, it takes an Idempotency-Key. A second mail with the key
// of one that was sent is answered 200 and not sent; 409 says that the first is
// still being sent, and may yet fail.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	return program.Serve(ctx, c.Listen, routes(c.Delay), log)
}

func routes(delay time.Duration) http.Handler {
	l := newLedger(maxRemembered)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) { serveSend(w, r, l, delay) })
	mux.HandleFunc("POST "+spec.EffectsPath, func(w http.ResponseWriter, r *http.Request) { serveAudit(w, r, l) })
	mux.HandleFunc("GET /health", program.Health())
	return mux
}

// serveSend counts a mail as sent only when the delay is over: a client that left
// before did not get it out.
func serveSend(w http.ResponseWriter, r *http.Request, l *ledger, delay time.Duration) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMailBytes))
	if err != nil {
		program.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	key := r.Header.Get(idempotencyHeader)
	if len(key) > maxKeyBytes {
		program.Refuse(w, http.StatusBadRequest, "the "+idempotencyHeader+" is longer than 64 bytes")
		return
	}
	if err := l.begin(key); err != nil {
		refuse(w, err)
		return
	}
	select {
	case <-time.After(delay):
		var mail struct {
			Order int64 `json:"order"`
		}
		_ = json.Unmarshal(body, &mail) // a mail without an order is sent too, it cannot be audited
		l.sent(key, mail.Order)
		program.Answer(w, http.StatusAccepted, map[string]string{"status": "accepted"})
	case <-r.Context().Done(): // the client gave up
		l.forget(key)
	}
}

func refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errSent):
		program.Answer(w, http.StatusOK, map[string]string{"status": "duplicate"})
	case errors.Is(err, errInHand):
		program.Refuse(w, http.StatusConflict, err.Error())
	default:
		program.Refuse(w, http.StatusServiceUnavailable, err.Error())
	}
}

func serveAudit(w http.ResponseWriter, r *http.Request, l *ledger) {
	var audit spec.EffectsQuestion
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAuditBytes)).Decode(&audit); err != nil {
		program.Refuse(w, http.StatusBadRequest, `the body is not {"ids":[...]}: `+err.Error())
		return
	}
	if len(audit.IDs) > spec.MaxEffects {
		program.Refuse(w, http.StatusBadRequest, "too many ids at once: at most 20000")
		return
	}
	program.Answer(w, http.StatusOK, l.seen(audit.IDs))
}
