// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/http"

	"headroom/targets/machine/spec"
)

// serveQuiesce answers GET /quiesce once every program is quiet.
func (a *agent) serveQuiesce(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), rowsTimeout)
	defer cancel()
	for i, p := range a.programs {
		if quiescer, can := p.(Quiescer); can {
			if err := quiescer.Quiesce(ctx); err != nil {
				http.Error(w, a.spec.Processes[i].Name+": "+err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
	}
}

// serveWork answers GET /work.
func (a *agent) serveWork(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), rowsTimeout)
	defer cancel()
	all := []spec.Work{}
	for i, p := range a.programs {
		worker, tells := p.(Worker)
		if !tells {
			continue
		}
		items, err := worker.Work(ctx)
		if err != nil {
			http.Error(w, a.spec.Processes[i].Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		for _, item := range items {
			item.Process = a.spec.Processes[i].Name
			all = append(all, item)
		}
	}
	writeJSON(w, all)
}
