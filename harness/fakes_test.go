// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"

	"headroom/harness/drive"
	"headroom/harness/record"
)

// bare is the part of a fake stage that no test looks at.
type bare struct{}

func (bare) Describe(context.Context, *record.Environment) error { return nil }
func (bare) Close(context.Context) error                         { return nil }

// execJob is what `headroom job` does, with a fake driver.
func execJob(ctx context.Context, stdin []byte, driver func(context.Context, drive.Job) (record.Measurement, error)) ([]byte, error) {
	var job drive.Job
	if err := json.Unmarshal(stdin, &job); err != nil {
		return nil, err
	}
	m, err := driver(ctx, job)
	if err != nil {
		return nil, err
	}
	return json.Marshal(m)
}
