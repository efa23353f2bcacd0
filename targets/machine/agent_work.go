// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/http"

	"headroom/targets/machine/spec"
)

// serveQuiet answers GET /quiet once every program is quiet.
func (a *agent) serveQuiet(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), rowsLimit)
	defer cancel()
	for i, p := range a.programs {
		if quieter, can := p.(Quieter); can {
			if err := quieter.Quiet(ctx); err != nil {
				http.Error(w, a.spec.Processes[i].Name+": "+err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
	}
}

// serveWork answers GET /work.
func (a *agent) serveWork(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), rowsLimit)
	defer cancel()
	all := []spec.Work{}
	for i, p := range a.programs {
		worker, tells := p.(Worker)
		if !tells {
			continue
		}
		some, err := worker.Work(ctx)
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
