package shop

import (
	"context"
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

// health answers GET /health: 200, or 503 naming what is away. The database is
// asked over a connection of its own, for a pool whose connections are all
// busy is not a database that is away: an overloaded shop that reported itself
// sick would be taken out by its balancer, and overload the next.
func health(dependencies []dependency) http.HandlerFunc {
	type report struct {
		Status string            `json:"status"`
		Away   map[string]string `json:"away,omitempty"` // dependency -> why
	}
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		failures := make([]error, len(dependencies))
		var pings sync.WaitGroup
		for i, d := range dependencies {
			pings.Go(func() { failures[i] = d.ping(ctx) })
		}
		pings.Wait()
		away := map[string]string{}
		for i, err := range failures {
			if err != nil {
				away[dependencies[i].name] = err.Error()
			}
		}
		if len(away) > 0 {
			_ = answer(w, http.StatusServiceUnavailable, report{Status: "unavailable", Away: away})
			return
		}
		_ = answer(w, http.StatusOK, report{Status: "healthy"})
	}
}
