// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"headroom/targets/program"
	"headroom/targets/shop/postgres"
)

// health answers GET /health: 200, or 503 naming what is away. What is only
// degraded is named in either. The database is
// asked over a connection of its own, for a pool whose connections are all
// busy is not a database that is away: an overloaded shop that reported itself
// sick would be taken out by its balancer, and overload the next.
func health(dependencies []program.Dependency) http.HandlerFunc {
	type report struct {
		Status string `json:"status"`
		// By the names of dependencies, why:
		Away     map[string]string `json:"away,omitempty"`
		Degraded map[string]string `json:"degraded,omitempty"`
	}
	return func(w http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), program.HealthTimeout)
		defer cancel()
		failures := make([]error, len(dependencies))
		var pings sync.WaitGroup
		for i, d := range dependencies {
			pings.Go(func() { failures[i] = d.Ping(ctx) })
		}
		pings.Wait()
		r := report{Status: "healthy", Away: map[string]string{}, Degraded: map[string]string{}}
		for i, err := range failures {
			var lesser postgres.Degraded
			switch {
			case errors.As(err, &lesser):
				r.Degraded[dependencies[i].Name] = err.Error()
			case err != nil:
				r.Away[dependencies[i].Name] = err.Error()
			}
		}
		status := http.StatusOK
		if len(r.Away) > 0 {
			r.Status, status = "unavailable", http.StatusServiceUnavailable
		}
		_ = answer(w, status, r) // the client may have gone
	}
}
