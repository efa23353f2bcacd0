// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"encoding/json"
	"fmt"
	"net/http"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/fill"
	"headroom/targets/shop/shards"
)

// The tables in which requests create rows.
const (
	tablePosts  = "posts"
	tableOrders = "orders"
)

// serveCacheEffects answers what requests would do to the pages of the cache. Nothing is
// done.
func serveCacheEffects(w http.ResponseWriter, r *http.Request) {
	var requests []spec.Request
	if !readQuestion(w, r, &requests) {
		return
	}
	if len(requests) > spec.MaxQuestion {
		http.Error(w, fmt.Sprintf("%d requests, at most %d in one question", len(requests), spec.MaxQuestion), http.StatusBadRequest)
		return
	}
	touches := make([]spec.CacheEffect, len(requests))
	for i, request := range requests {
		touches[i].Reads, touches[i].Invalidates = fill.CacheEffects(request.Method, request.Target, []byte(request.Body))
	}
	_ = answer(w, http.StatusOK, touches)
}

// serveHome answers in which of several databases rows belong. A post is where its
// own id hashes to, an order where its buyer's does.
func serveHome(w http.ResponseWriter, r *http.Request) {
	var question spec.HomeQuestion
	if !readQuestion(w, r, &question) {
		return
	}
	if len(question.Rows) > spec.MaxQuestion || question.Of < 1 {
		http.Error(w, fmt.Sprintf("%d rows in %d databases, want at most %d rows and a database", len(question.Rows), question.Of, spec.MaxQuestion), http.StatusBadRequest)
		return
	}
	homes := make([]int, len(question.Rows))
	for i, row := range question.Rows {
		homes[i] = homeOf(question.Table, row, question.Of)
	}
	_ = answer(w, http.StatusOK, homes)
}

func homeOf(table string, row spec.Row, of int) int {
	switch {
	case table == tablePosts:
		return shards.Hash(row.ID, of)
	case table == tableOrders && row.Session != 0:
		return shards.Hash(row.Session, of)
	}
	return spec.NoHome
}

// readQuestion reads a question's JSON, or answers what is wrong with it.
func readQuestion(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, spec.MaxQuestionBytes)).Decode(into); err != nil {
		http.Error(w, fmt.Sprintf("the question is not JSON of at most %d MiB: %v", spec.MaxQuestionBytes>>20, err), http.StatusBadRequest)
		return false
	}
	return true
}
