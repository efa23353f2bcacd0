// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// healthTimeout bounds a health check, all parts of it together.
const healthTimeout = 2 * time.Second

// dependency is something that the shop cannot do without, or says so.
type dependency struct {
	name string
	ping func(ctx context.Context) error
}

// degraded is the failure of something that the shop goes on without, more
// slowly.
type degraded struct{ error }

// health answers GET /health: 200, or 503 naming what is away. What is only
// degraded is named in either. The database is
// asked over a connection of its own, for a pool whose connections are all
// busy is not a database that is away: an overloaded shop that reported itself
// sick would be taken out by its balancer, and overload the next.
func health(dependencies []dependency) http.HandlerFunc {
	type report struct {
		Status string `json:"status"`
		// By the names of dependencies, why:
		Away     map[string]string `json:"away,omitempty"`
		Degraded map[string]string `json:"degraded,omitempty"`
	}
	return func(w http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), healthTimeout)
		defer cancel()
		failures := make([]error, len(dependencies))
		var pings sync.WaitGroup
		for i, d := range dependencies {
			pings.Go(func() { failures[i] = d.ping(ctx) })
		}
		pings.Wait()
		r := report{Status: "healthy", Away: map[string]string{}, Degraded: map[string]string{}}
		for i, err := range failures {
			var lesser degraded
			switch {
			case errors.As(err, &lesser):
				r.Degraded[dependencies[i].name] = err.Error()
			case err != nil:
				r.Away[dependencies[i].name] = err.Error()
			}
		}
		status := http.StatusOK
		if len(r.Away) > 0 {
			r.Status, status = "unavailable", http.StatusServiceUnavailable
		}
		_ = answer(w, status, r) // the client may have gone
	}
}
