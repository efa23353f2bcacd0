// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram range. 10 minutes is at least ten times any timeout that a
// scenario may ask for; what lies beyond is counted as clipped.
const (
	lowestNanos       = int64(time.Microsecond)
	highestNanos      = int64(10 * time.Minute)
	significantDigits = 3
)

// Histogram is an HdrHistogram of durations in nanoseconds: 1 µs to 10 min,
// 3 significant digits. In JSON it is the standard compressed V2 encoding,
// base64, which other languages' HdrHistogram readers open; an empty one is "".
//
// It holds only the buckets in use, a few KB instead of the 180 of a dense
// array, because a trial has one a second. Who records millions a second
// records into a Dense one and turns it into a Histogram at the end.
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

// Compact gives back the room that recording takes on top of the counts.
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

// MostAbove is how many of n samples may lie above their quantile q: n (1-q),
// rounded down. It is what the quantile means here, for who prints it and for who
// judges it: p99 lies within a limit exactly when no more than this lie above
// the limit.
func MostAbove(q float64, n int64) int64 {
	above := float64(n) * (1 - q)
	// 1-0.9 is a little less than 0.1 to the computer, and 10 of that are to be 1.
	return int64(above + 1e-9 + 1e-12*float64(n))
}

// Quantile returns the duration at q (0..1), 0 when empty: the smallest that no
// more than MostAbove lie above.
func (h Histogram) Quantile(q float64) time.Duration {
	if h.h == nil || q <= 0 {
		return h.AtRank(0)
	}
	return h.AtRank(h.Count() - MostAbove(q, h.Count()))
}

// AtRank returns the duration of that rank, from 1 for the shortest, to the
// histogram's resolution, which lengthens a duration by up to 0.1%; at 0 it is
// the shortest without that. It is 0 when empty.
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
