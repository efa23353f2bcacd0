// SPDX-License-Identifier: Apache-2.0

package shop

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
	maxKeyBytes   = 64
	maxAuditBytes = 1 << 20 // 20,000 ids of 19 digits, and room
)

// RunMail stands for a mail provider until ctx ends: POST /send is answered
// 202 after the delay, GET /health 200. The error says why it could not serve;
// a stop by ctx is none.
//
// As real providers do, it takes an Idempotency-Key. A second mail with the key
// of one that was sent is answered 200 and not sent; 409 says that the first is
// still being sent, and may yet fail.
func RunMail(ctx context.Context, c MailConfig, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	return program.Serve(ctx, c.Listen, mailRoutes(c.Delay), log)
}

func mailRoutes(delay time.Duration) http.Handler {
	ledger := newMailLedger(maxMails)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) { sendMail(w, r, ledger, delay) })
	mux.HandleFunc("POST "+spec.EffectsPath, func(w http.ResponseWriter, r *http.Request) { auditMails(w, r, ledger) })
	mux.HandleFunc("GET /health", health(nil))
	return mux
}

// sendMail counts a mail as sent only when the delay is over: a client that
// left before did not get it out.
func sendMail(w http.ResponseWriter, r *http.Request, ledger *mailLedger, delay time.Duration) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		program.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	key := r.Header.Get(idempotencyHeader)
	if len(key) > maxKeyBytes {
		program.Refuse(w, http.StatusBadRequest, "the "+idempotencyHeader+" is longer than 64 bytes")
		return
	}
	if err := ledger.begin(key); err != nil {
		refuseMail(w, err)
		return
	}
	select {
	case <-time.After(delay):
		var mail email
		_ = json.Unmarshal(body, &mail) // a mail without an order is sent too, it cannot be audited
		ledger.sent(key, mail.Order)
		program.Answer(w, http.StatusAccepted, map[string]string{"status": "accepted"})
	case <-r.Context().Done(): // the client gave up
		ledger.forget(key)
	}
}

func refuseMail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errMailSent):
		program.Answer(w, http.StatusOK, map[string]string{"status": "duplicate"})
	case errors.Is(err, errMailInHand):
		program.Refuse(w, http.StatusConflict, err.Error())
	default:
		program.Refuse(w, http.StatusServiceUnavailable, err.Error())
	}
}

func auditMails(w http.ResponseWriter, r *http.Request, ledger *mailLedger) {
	var audit spec.EffectsQuestion
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAuditBytes)).Decode(&audit); err != nil {
		program.Refuse(w, http.StatusBadRequest, `the body is not {"ids":[...]}: `+err.Error())
		return
	}
	if len(audit.IDs) > spec.MaxEffects {
		program.Refuse(w, http.StatusBadRequest, "too many ids at once: at most 20000")
		return
	}
	program.Answer(w, http.StatusOK, ledger.seen(audit.IDs))
}
