// SPDX-License-Identifier: Apache-2.0

// Package gateway is the API gateway: one door before all services.
//
// The way of a request: a correlation id (this file) -> session and rate limit
// (limiter.go) -> the next upstream (proxy.go).
//
// Gives: one place for what every service would need: who asks, how often, under
// which id, and which paths are open. Costs: one more hop in every request, with its
// time and its machine, and one more part that can fail. Measured by scenario final
// (after).
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"headroom/targets/program"
	"headroom/targets/valkeypool"
)

const (
	correlationHeader = "X-Correlation-Id" // as the shop's
	sessionHeader     = "X-Session"
	maxWord           = 64 // bytes of a correlation id or a session

	// cacheTimeout bounds each step with Valkey. A limiter that is slower than
	// this admits.
	cacheTimeout = 250 * time.Millisecond
)

// gateway answers all routes.
type gateway struct {
	limiter *limiter
	proxy   *proxy
	log     *slog.Logger
	config  Config

	requests, limited, limiterErrors, sessions atomic.Int64
}

// Run serves until ctx ends. It starts and stays up whether or not its Valkey
// and its upstreams are there; GET /health tells. The error says why it could
// not serve; a stop by ctx is none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	cache := valkeypool.Open(c.Cache, cacheTimeout)
	defer cache.Close()
	proxy := newProxy(c.Upstreams, log)
	defer proxy.close()
	g := &gateway{limiter: newLimiter(cache, c), proxy: proxy, log: log, config: c}
	return program.Serve(ctx, c.Listen, g.routes(cache.Ping), log)
}

// routes lets through the paths that users may ask for. The services' own paths,
// /metrics and /internal, are not for users.
func (g *gateway) routes(pingCache func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", g.pass)
	mux.HandleFunc("/assets/", g.pass)
	mux.Handle("GET /health", program.Health(
		program.Dependency{Name: "cache", Ping: pingCache}, program.Dependency{Name: "upstream", Ping: g.proxy.healthy}))
	mux.Handle("GET /internal/counters", program.Counters{
		"requests_total":         g.requests.Load,
		"limited_total":          g.limited.Load,
		"errors_total":           g.proxy.errors.Load,
		"limiter_errors_total":   g.limiterErrors.Load,
		"sessions_created_total": g.sessions.Load,
	})
	return mux
}

func (g *gateway) pass(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	id := r.Header.Get(correlationHeader)
	if !program.Word(id, maxWord) {
		id = strconv.FormatUint(rand.Uint64(), 16)
		r.Header.Set(correlationHeader, id) // for what comes after
	}
	w.Header().Set(correlationHeader, id)
	if session := r.Header.Get(sessionHeader); session != "" && !g.admit(w, r, session) {
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// admit says whether a request of a session may pass. When it may not, admit has
// answered it.
func (g *gateway) admit(w http.ResponseWriter, r *http.Request, session string) bool {
	if !program.Word(session, maxWord) {
		program.Refuse(w, http.StatusBadRequest, "a session has at most 64 letters, digits, dots, dashes and underscores")
		return false
	}
	a, err := g.limiter.admit(r.Context(), session)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return false // the client has gone
		}
		if n := g.limiterErrors.Add(1); n&(n-1) == 0 {
			g.log.Warn("sessions and limits are away, every request passes", "failures", n, "error", err)
		}
		return true
	}
	if a.created {
		g.sessions.Add(1)
	}
	if a.wait == 0 {
		return true
	}
	g.limited.Add(1)
	seconds := int64((a.wait + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	program.Refuse(w, http.StatusTooManyRequests,
		fmt.Sprintf("more than %d requests in %v: try again in %d s", g.config.Limit, g.config.Window, seconds))
	return false
}
