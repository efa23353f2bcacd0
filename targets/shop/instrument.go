// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"headroom/targets/shop/email"
	"headroom/targets/shop/postgres"
	"headroom/targets/shop/shards"
	"headroom/targets/shop/store"
)

const (
	correlationHeader = "X-Correlation-Id"
	requestTimeout    = 10 * time.Second // of one request, waits for the pool included
	slowRequest       = time.Second      // is logged; a faster success is not
)

// statusClientGone is what nginx logs when the client left before the answer.
const statusClientGone = 499

// handler answers, or returns an error before it has written anything.
type handler func(w http.ResponseWriter, r *http.Request) error

// instrument gives a handler its deadline, its correlation id, its session, its
// metrics and the answer to its error.
func instrument(route string, m *metrics, log *slog.Logger, next handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := correlationID(r.Header.Get(correlationHeader))
		w.Header()[correlationHeader] = []string{id}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()

		ctx, statements := postgres.CountStatements(ctx)
		recorder := &statusRecorder{ResponseWriter: w}
		ctx, err := withSession(ctx, r.Header)
		if err == nil {
			err = next(recorder, r.WithContext(ctx))
		}
		if err != nil {
			answerError(recorder, err)
		}
		status, took := recorder.final(), time.Since(began)
		m.observe(r.Method, route, status, took)
		m.observeStatements(route, statements.Load())
		if status >= 500 || took > slowRequest {
			log.LogAttrs(ctx, slog.LevelWarn, "request", slog.String("correlation_id", id), slog.String("method", r.Method),
				slog.String("path", r.URL.Path), slog.Int("status", status), slog.Float64("took_s", took.Seconds()), slog.Any("error", err))
		}
	})
}

// correlationID keeps the caller's id when it is safe to repeat, else makes one.
func correlationID(given string) string {
	if given != "" && len(given) <= 64 && isWord(given) {
		return given
	}
	return strconv.FormatUint(rand.Uint64(), 16)
}

// isWord says that s has only letters, digits, dots, dashes and underscores.
func isWord(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// badRequest is the client's mistake; its text is for the client.
type badRequest string

func (b badRequest) Error() string { return string(b) }

func answerError(w http.ResponseWriter, err error) {
	status, text := http.StatusInternalServerError, "internal error"
	var bad badRequest
	var across shards.AcrossError
	var without shards.IncompleteError
	switch {
	case errors.As(err, &bad):
		status, text = http.StatusBadRequest, bad.Error()
	case errors.Is(err, store.ErrNotFound):
		status, text = http.StatusNotFound, "not found"
	case errors.Is(err, email.ErrBusy):
		status, text = http.StatusServiceUnavailable, email.ErrBusy.Error()
	case errors.Is(err, email.ErrProvider):
		status, text = http.StatusBadGateway, "the order stands, its confirmation was not sent"
	case errors.Is(err, email.ErrQueue):
		status, text = http.StatusServiceUnavailable, "the queue of jobs failed: try again later"
	case errors.Is(err, context.Canceled):
		status, text = statusClientGone, "client gone"
	case errors.As(err, &across):
		status, text = http.StatusConflict, across.Error()
	case errors.As(err, &without):
		status, text = http.StatusServiceUnavailable, "shard "+strconv.Itoa(without.Shard)+" did not answer, and without it the answer would have a hole: try again"
	case errors.Is(err, context.DeadlineExceeded):
		status, text = http.StatusGatewayTimeout, "timed out"
	}
	_ = answer(w, status, map[string]string{"error": text}) // the client may have gone
}

// statusRecorder keeps the status that was sent. A sample in one of the
// articles counts every response as 200; then no alert on errors ever fires.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// final is what the client saw: a handler that only writes sends 200.
func (s *statusRecorder) final() int {
	if s.status == 0 {
		return http.StatusOK
	}
	return s.status
}
