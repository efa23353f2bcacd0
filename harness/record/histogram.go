// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram range. 10 minutes is at least ten times any timeout of a scenario. Longer
// durations are counted as clipped.
const (
	lowestNanos       = int64(time.Microsecond)
	highestNanos      = int64(10 * time.Minute)
	significantDigits = 3
)

// Histogram is an HdrHistogram of durations in nanoseconds: 1 µs to 10 min,
// 3 significant digits. In JSON it is the standard compressed V2 encoding,
// base64, which other languages' HdrHistogram readers open; an empty one is "".
//
// A Histogram holds only the buckets in use, because a trial has a histogram for each
// second: a few KB instead of the 180 KB of a dense array. A recorder of millions of
// durations a second records into Dense, and turns that into a Histogram at the end.
//
// The zero value is empty and ready to use. It is not safe for concurrent use.
type Histogram struct {
	h *hdr.PackedHistogram
}

// Dense returns an empty histogram of the same buckets as Histogram's, made
// for fast recording.
func Dense() *hdr.Histogram { return hdr.New(lowestNanos, highestNanos, significantDigits) }

// FromDense returns dense's counts as a Histogram.
func FromDense(dense *hdr.Histogram) Histogram {
	var h Histogram
	if dense.TotalCount() > 0 {
		h.open().MergeFrom(dense)
		h.h.Compact()
	}
	return h
}

// Record adds one duration. It returns false, and records nothing, when the
// duration is beyond the range: the caller counts it as clipped.
func (h *Histogram) Record(d time.Duration) bool {
	return h.open().RecordValue(int64(max(d, 0))) == nil
}

// Compact frees the memory that recording needs in addition to the counts.
func (h *Histogram) Compact() {
	if h.h != nil {
		h.h.Compact()
	}
}

func (h *Histogram) open() *hdr.PackedHistogram {
	if h.h == nil {
		h.h = hdr.NewPacked(lowestNanos, highestNanos, significantDigits)
	}
	return h.h
}

// Count is the number of recorded durations.
func (h Histogram) Count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// AllowedAbove is how many of n samples may lie above their quantile q: n (1-q),
// rounded down. Printing and judging share this definition of a quantile: p99 is within
// a limit exactly when no more samples than AllowedAbove lie above the limit.
func AllowedAbove(q float64, n int64) int64 {
	above := float64(n) * (1 - q)
	// In floating point 1-0.9 is a little less than 0.1, but 10*(1-0.9) must give 1.
	return int64(above + 1e-9 + 1e-12*float64(n))
}

// Quantile returns the duration at q (0..1), 0 when empty. It is the smallest duration
// with at most AllowedAbove samples above it.
func (h Histogram) Quantile(q float64) time.Duration {
	if h.h == nil || q <= 0 {
		return h.AtRank(0)
	}
	return h.AtRank(h.Count() - AllowedAbove(q, h.Count()))
}

// AtRank returns the duration of a rank, from 1 for the shortest, and 0 when empty. The
// histogram's resolution lengthens a duration by up to 0.1%. Rank 0 is the shortest
// duration without that.
func (h Histogram) AtRank(rank int64) time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.ValueAtPercentile(float64(rank) / float64(h.Count()) * 100))
}

// CountAbove returns how many durations were above limit, to the histogram's
// resolution.
func (h Histogram) CountAbove(limit time.Duration) int64 {
	if h.h == nil {
		return 0
	}
	var above int64
	for value, count := range h.h.ForEachBucket {
		if value > int64(limit) {
			above += count
		}
	}
	return above
}

// Mean returns the mean duration, 0 when empty.
func (h Histogram) Mean() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Mean())
}

// Max returns the largest duration, 0 when empty.
func (h Histogram) Max() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Max())
}

// Merge adds other's counts to h. Percentiles are never merged; this is how
// several slices become one distribution.
func (h *Histogram) Merge(other Histogram) {
	if other.h != nil {
		h.open().Merge(other.h)
	}
}

// HDR returns a dense copy for writing standard logs, nil when empty.
func (h Histogram) HDR() *hdr.Histogram {
	if h.h == nil {
		return nil
	}
	dense := Dense()
	h.h.MergeInto(dense)
	return dense
}

// MarshalJSON writes the compressed V2 encoding.
func (h Histogram) MarshalJSON() ([]byte, error) {
	if h.h == nil {
		return []byte(`""`), nil
	}
	encoded, err := h.h.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode histogram: %w", err)
	}
	return json.Marshal(string(encoded))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var encoded string
	if err := json.Unmarshal(data, &encoded); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if encoded == "" {
		h.h = nil
		return nil
	}
	decoded, err := hdr.DecodePacked([]byte(encoded))
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	h.h = decoded
	return nil
}
