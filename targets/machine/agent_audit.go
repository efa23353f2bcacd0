// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"headroom/targets/machine/spec"
)

const (
	rowsTimeout  = 10 * time.Second
	maxRowsBytes = spec.MaxRowIDs*24 + 1024 // of a request: a number of 64 bits and its comma, and the rest
)

// serveLag answers GET /lag?from=NS&till=NS. A bound that is missing does not apply.
func (a *agent) serveLag(w http.ResponseWriter, r *http.Request) {
	from, errFrom := nanosOf(r, "from", 0)
	till, errTill := nanosOf(r, "till", math.MaxInt64)
	if err := errors.Join(errFrom, errTill); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	samples := []spec.LagSample{}
	for i, p := range a.programs {
		database, tells := p.(LagReporter)
		if !tells {
			continue
		}
		found, err := database.Lag(from, till)
		if err != nil {
			http.Error(w, a.spec.Processes[i].Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		samples = append(samples, found...)
	}
	writeJSON(w, samples)
}

func nanosOf(r *http.Request, name string, fallback int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	nanos, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s=%.40q: want nanoseconds of the monotonic clock", name, text)
	}
	return nanos, nil
}

// serveRows answers POST /rows.
func (a *agent) serveRows(w http.ResponseWriter, r *http.Request) {
	var request spec.RowsRequest
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRowsBytes))
	in.DisallowUnknownFields()
	if err := in.Decode(&request); err != nil {
		http.Error(w, "the question: "+err.Error(), http.StatusBadRequest)
		return
	}
	if len(request.IDs) > spec.MaxRowIDs {
		http.Error(w, fmt.Sprintf("%d ids, at most %d in one question", len(request.IDs), spec.MaxRowIDs), http.StatusBadRequest)
		return
	}
	for i, p := range a.spec.Processes {
		database, reads := a.programs[i].(RowReader)
		if p.Name != request.Process || !reads {
			continue
		}
		ctx, cancel := context.WithTimeout(r.Context(), rowsTimeout)
		defer cancel()
		found, err := database.Rows(ctx, request.Table, request.IDs)
		if err != nil {
			http.Error(w, p.Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, spec.RowsAnswer{IDs: found})
		return
	}
	http.Error(w, fmt.Sprintf("machine %s has no database named %.100q", a.spec.Machine, request.Process), http.StatusNotFound)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
