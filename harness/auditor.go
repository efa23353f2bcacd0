// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"fmt"

	"headroom/harness/observe"
	"headroom/targets/machine/spec"
)

// Auditor asks a system's machines what the driver can't see.
type Auditor interface {
	// Lag returns what a primary saw of its replicas between two moments of the
	// machine's clock.
	Lag(ctx context.Context, target observe.Target, from, till int64) ([]spec.LagSample, error)
	// Rows returns which of the ids a database itself holds in a table.
	Rows(ctx context.Context, target observe.Target, process, table string, ids []int64) ([]int64, error)
	// Ask sends a question to one of the machine's own processes, and reads the
	// answer into the value that into points at. A question without a body is a GET.
	Ask(ctx context.Context, target observe.Target, process, path string, body, into any) error
}

// agents asks through the machines' agents.
type agents struct{}

func (agents) Lag(ctx context.Context, target observe.Target, from, till int64) ([]spec.LagSample, error) {
	return observe.Lag(ctx, target, from, till)
}

func (agents) Rows(ctx context.Context, target observe.Target, process, table string, ids []int64) ([]int64, error) {
	return observe.Rows(ctx, target, process, table, ids)
}

func (agents) Ask(ctx context.Context, target observe.Target, process, path string, body, into any) error {
	var question json.RawMessage
	if body != nil {
		var err error
		if question, err = json.Marshal(body); err != nil {
			return err
		}
	}
	answer, err := observe.Ask(ctx, target, process, path, question)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("ask %s/%s for %s: %w", target.Machine, process, path, err)
	}
	return nil
}
