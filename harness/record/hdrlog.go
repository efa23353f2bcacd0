// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"io"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// WriteHDRLog writes m as a standard HdrHistogram log, version 1.3, in nanoseconds.
// Untagged intervals of a second hold response times. Two tagged intervals,
// "response_success" and "service", cover the whole run. began is the run's start; times
// are written to the millisecond.
func WriteHDRLog(w io.Writer, m Measurement, began time.Time) error {
	log := hdr.NewHistogramLogWriter(w)
	from := began.Add(seconds(m.WarmupS))
	till := from.Add(seconds(m.DurationS))
	for _, step := range []func() error{
		func() error { return log.OutputComment("[headroom: response and service times in nanoseconds]") },
		log.OutputLogFormatVersion,
		func() error { return writeTimes(w, from) },
		log.OutputLegend,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("write the HdrHistogram log: %w", err)
		}
	}
	log.SetBaseTime(from.UnixMilli())
	for i, second := range m.Timeline {
		end := till
		if i+1 < len(m.Timeline) {
			end = from.Add(time.Duration(m.Timeline[i+1].Second) * time.Second)
		}
		if err := writeInterval(log, second.Response, "", from.Add(time.Duration(second.Second)*time.Second), end); err != nil {
			return err
		}
	}
	if err := writeInterval(log, m.ResponseSuccess, "response_success", from, till); err != nil {
		return err
	}
	return writeInterval(log, m.Service, "service", from, till)
}

// writeTimes writes the log's start and base time as Java's HistogramLogWriter does.
// hdrhistogram-go's own writer truncates both to whole seconds, and every interval would
// seem up to a second too early.
func writeTimes(w io.Writer, from time.Time) error {
	ms := from.UnixMilli()
	seconds := fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
	_, err := fmt.Fprintf(w, "#[StartTime: %s (seconds since epoch), %s]\n#[BaseTime: %s (seconds since epoch)]\n",
		seconds, from.UTC().Format("2006-01-02T15:04:05.000Z07:00"), seconds)
	return err
}

func writeInterval(log *hdr.HistogramLogWriter, h Histogram, tag string, from, till time.Time) error {
	dense := h.HDR()
	if dense == nil {
		return nil
	}
	dense.SetTag(tag)
	dense.SetStartTimeMs(from.UnixMilli())
	dense.SetEndTimeMs(till.UnixMilli())
	if err := log.OutputIntervalHistogram(dense); err != nil {
		return fmt.Errorf("write the HdrHistogram log: %w", err)
	}
	return nil
}

// seconds rounds: 0.57 times 1e9 is a little below 570000000, and truncation would lose
// a millisecond.
func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}
