package shop

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// RunMail stands for a mail provider until ctx ends: POST /send is answered
// 202 after the delay, GET /health 200. The error says why it could not serve;
// a stop by ctx is none.
func RunMail(ctx context.Context, c MailConfig, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	return serve(ctx, c.Listen, mailRoutes(c.Delay), log)
}

func mailRoutes(delay time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, bodyLimit)); err != nil {
			_ = answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		select {
		case <-time.After(delay):
			_ = answer(w, http.StatusAccepted, map[string]string{"status": "accepted"})
		case <-r.Context().Done(): // the client gave up
		}
	})
	mux.HandleFunc("GET /health", health(nil))
	return mux
}
