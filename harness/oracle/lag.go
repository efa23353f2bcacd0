// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math"
	"slices"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// LagSample is how far one replica was behind at one moment, as its primary saw.
type LagSample struct {
	Bytes  int64   // of write-ahead log not replayed yet
	Millis float64 // age of the write that it replays now
}

// Lag is a replica's lag as a distribution: `replication_lag`. It has no violations: a
// lag is a price, and no breach of a promise.
//
// It can't see: lag between two samples; the time lag of a replica that has nothing to
// replay, for which PostgreSQL reports no lag.
func Lag(replica string, samples []LagSample) record.Oracle {
	o := record.Oracle{Name: scenarios.OracleLag, Scope: replica, Checked: int64(len(samples))}
	if len(samples) == 0 {
		setUnknown(&o, fmt.Sprintf("%s has no sample of the slice", replica))
		return o
	}
	var age record.Histogram
	bytes := make([]float64, 0, len(samples))
	clipped := int64(0)
	for _, s := range samples {
		if !age.Record(time.Duration(s.Millis * float64(time.Millisecond))) {
			clipped++
		}
		bytes = append(bytes, float64(max(s.Bytes, 0)))
	}
	slices.Sort(bytes)
	at := func(q float64) float64 { return bytes[max(int(math.Ceil(q*float64(len(bytes))))-1, 0)] }
	o.Age = &age
	o.LagBytes = map[string]float64{"p50": at(0.5), "p99": at(0.99), "max": bytes[len(bytes)-1]}
	setUnknown(&o, "", countReason(clipped, "samples are beyond ten minutes"))
	return o
}
