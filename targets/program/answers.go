// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// HealthTimeout bounds a health check, all parts of it together.
const HealthTimeout = 2 * time.Second

// Answer writes content as JSON.
func Answer(w http.ResponseWriter, status int, content any) {
	text, err := json.Marshal(content)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}

// Refuse answers why there is nothing else.
func Refuse(w http.ResponseWriter, status int, why string) {
	Answer(w, status, map[string]string{"error": why})
}

// Dependency is something that a program cannot do its work without.
type Dependency struct {
	Name string
	Ping func(ctx context.Context) error
}

// Health answers GET /health: 200, or 503 naming what is away.
func Health(dependencies ...Dependency) http.HandlerFunc {
	type report struct {
		Status string            `json:"status"`
		Away   map[string]string `json:"away,omitempty"` // dependency -> why
	}
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), HealthTimeout)
		defer cancel()
		failures := make([]error, len(dependencies))
		var pings sync.WaitGroup
		for i, d := range dependencies {
			pings.Go(func() { failures[i] = d.Ping(ctx) })
		}
		pings.Wait()
		away := map[string]string{}
		for i, err := range failures {
			if err != nil {
				away[dependencies[i].Name] = err.Error()
			}
		}
		if len(away) > 0 {
			Answer(w, http.StatusServiceUnavailable, report{Status: "unavailable", Away: away})
			return
		}
		Answer(w, http.StatusOK, report{Status: "healthy"})
	}
}

// Counters reads a program's own counters, in the unit of each name.
type Counters map[string]func() int64

// ServeHTTP answers GET /internal/counters for the machine's agent.
func (c Counters) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	values := make(map[string]int64, len(c))
	for name, read := range c {
		values[name] = read()
	}
	Answer(w, http.StatusOK, values)
}

// Word says that s has from 1 to most bytes, and only letters, digits, dots,
// dashes and underscores: safe to repeat in a header, a key or a log.
func Word(s string, most int) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return s != "" && len(s) <= most
}
