// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"headroom/targets/machine/spec"
)

// maxLagAnswer fits ten minutes of eight replicas.
const maxLagAnswer = 8 << 20 // bytes

// Lag returns how far the replicas of the target's database were behind, between two
// moments of the machine's monotonic clock. Each replica has ten samples a second. A
// database without replicas has no samples. Lag gives up after 15 s.
func Lag(ctx context.Context, target Target, from, till int64) ([]spec.LagSample, error) {
	url := fmt.Sprintf("%s/lag?from=%d&till=%d", target.AgentURL, from, till)
	body, err := get(ctx, url, target.Nonce, readTimeout, maxLagAnswer)
	var samples []spec.LagSample
	if err == nil {
		err = json.Unmarshal(body, &samples)
	}
	if err != nil {
		return nil, fmt.Errorf("replication lag of machine %s: %w", target.Machine, err)
	}
	return samples, nil
}

// Rows returns which of the ids are rows of a table of the target's database process:
// the table that the scenario's creates: names. It asks the database itself, without the
// application's routing. Each question has up to spec.MaxRowIDs ids and a timeout of 15 s.
func Rows(ctx context.Context, target Target, process, table string, ids []int64) ([]int64, error) {
	var found []int64
	for some := range slices.Chunk(ids, spec.MaxRowIDs) {
		answer, err := rows(ctx, target, spec.RowsRequest{Process: process, Table: table, IDs: some})
		if err != nil {
			return nil, fmt.Errorf("rows of %s/%s: %w", target.Machine, process, err)
		}
		found = append(found, answer.IDs...)
	}
	return found, nil
}

func rows(ctx context.Context, target Target, question spec.RowsRequest) (answer spec.RowsAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	encoded, err := json.Marshal(question)
	if err != nil {
		return answer, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.AgentURL+"/rows", bytes.NewReader(encoded))
	if err != nil {
		return answer, err
	}
	body, err := ask(request, target.Nonce, maxAnswer)
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(body, &answer)
}
