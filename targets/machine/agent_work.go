// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/http"

	"headroom/targets/machine/spec"
)

// worker is a process that can say what its counters are made of.
type worker interface {
	work(ctx context.Context) ([]spec.Work, error)
}

// serveWork answers GET /work.
func (a *agent) serveWork(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), rowsLimit)
	defer cancel()
	all := []spec.Work{}
	for i, c := range a.counters {
		one, tells := c.(worker)
		if !tells {
			continue
		}
		some, err := one.work(ctx)
		if err != nil {
			http.Error(w, a.spec.Processes[i].Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		for _, item := range some {
			item.Process = a.spec.Processes[i].Name
			all = append(all, item)
		}
	}
	writeJSON(w, all)
}
