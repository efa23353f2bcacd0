// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/internal/maybe"
)

// driverUse is a driver of which all is known, and is 0.
func driverUse() record.DriverUse {
	zero := maybe.Of(0)
	return record.DriverUse{CPUSeconds: zero, MaxRSSMB: zero, CPUs: 1, ThrottledS: zero, StolenShare: zero, StolenWorstSecond: zero}
}

// The driver's figures that could not be read are named, and none of them is a 0.
func TestSummaryNamesWhatIsNotKnown(t *testing.T) {
	of := func(driver record.DriverUse) string {
		var text bytes.Buffer
		printSummary(&text, record.Summarise(record.Measurement{DurationS: 1, Driver: driver}))
		return text.String()
	}
	if text := of(driverUse()); strings.Contains(text, "ot known") || !strings.Contains(text, "Driver     0 CPU s, 0 MB") {
		t.Errorf("with all figures: %s", text)
	}
	lacking := driverUse()
	lacking.MaxRSSMB, lacking.ThrottledS = maybe.Number{}, maybe.Number{}
	text := of(lacking)
	for _, want := range []string{"Driver     0 CPU s, MB not known;", "Not known  the driver's peak memory, throttled time: nothing is judged by that\n", "Valid      yes"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q: %s", want, text)
		}
	}
}

// A search warns of a figure once, whatever the number of its steps.
func TestCapacityWarnsOnceOfWhatIsNotKnown(t *testing.T) {
	report := &capacityReport{Soaks: []slo.Soak{}}
	lacking := driverUse()
	lacking.StolenShare = maybe.Number{}
	for range 3 {
		report.add(harness.CapacityStep{Trial: record.Trial{Measurement: record.Measurement{Driver: lacking}, Verdict: &record.Verdict{}}})
	}
	const want = "not known of the driver: stolen CPU time; nothing is judged by that"
	if !slices.Equal(report.Warnings, []string{want}) || !slices.Contains(report.sentences(), "Warning: "+want) {
		t.Errorf("warnings %q, sentences %q", report.Warnings, report.sentences())
	}
	var text bytes.Buffer
	if err := report.write(&text, true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), `"stolen_share"`) || !strings.Contains(text.String(), `"stolen_worst_second": 0`) || !strings.Contains(text.String(), want) {
		t.Errorf("in JSON: %s", text.String())
	}
}
