// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// A trials file holds the run and then a trial a line; whoever reads the file needs
// nothing else.
func ExampleReadFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "run")
	if err := writeExample(path); err != nil {
		fmt.Println(err)
		return
	}

	log, err := record.ReadFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(log.Run.ID)
	for _, trial := range log.Trials {
		response := trial.Measurement.Response
		fmt.Printf("%s: %d requests, half of them answered within %v\n",
			trial.Variant, response.Count(), response.Quantile(0.5).Round(time.Millisecond))
	}
	// Output:
	// example-20261127-100000
	// before: 3 requests, half of them answered within 10ms
}

// writeExample writes a run with one trial.
func writeExample(path string) error {
	w, err := record.Create(path, record.Run{ID: "example-20261127-100000"})
	if err != nil {
		return err
	}
	m := record.Measurement{OfferedRPS: 3, DurationS: 1, Planned: 3, Sent: 3, Succeeded: 3, Answered: 3}
	for _, took := range []time.Duration{8 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond} {
		m.Response.Record(took)
		m.ResponseSuccess.Record(took)
	}
	err = w.WriteTrial(record.Trial{Kind: record.KindSlice, Variant: scenarios.Before, Block: 1, Order: 1, Measurement: m})
	return errors.Join(err, w.Finish(record.End{}))
}
