// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/scenarios"
)

// How near the variants' responses and their numbers of requests in flight must
// be for the driver to have done the same work for both.
const (
	nearBytes    = 0.01
	nearInFlight = 0.10
)

// The driver's CPU is used where it makes the slices of one variant within a block
// scatter clearly less, in the sum of squares, and there are enough of them to tell.
const (
	clearlyLess = 0.8
	minFreedom  = 4
)

// SameWork says what has to agree for the driver to have done the same work for both
// variants.
func SameWork() string {
	return fmt.Sprintf("rates or bytes per response apart by more than %.0f%%, requests in flight by more than %.0f%%", 100*nearBytes, 100*nearInFlight)
}

// correctedBasis is the Basis of a ratio that was divided by the driver's.
const correctedBasis = "divided by that of the driver's own CPU per request, so that the computer's speed falls out"

// cpuPerSuccess says whether a metric is CPU time per success, the database's or
// one machine's.
func cpuPerSuccess(key scenarios.MetricKey) bool {
	base, arg := splitKey(key)
	return key == scenarios.MetricDBCPUPerRequest || base == "cpu_ms_per_request" && arg != ""
}

// uncorrected begins the Basis of a ratio that stays as it was measured.
const uncorrected = "not corrected for the computer's speed: "

// correctForSpeed adds the driver's CPU per request of the same slices to the pairs of
// a CPU metric. The basis says so, or says why the pairs stay as they are.
//
// The driver does the same for each request of both variants, so only the computer's
// speed moves its CPU time, and the speed moves the variants' CPU time alike. Divided
// by the driver's, the logarithm of the variants' ratio scattered by 3.7% in place of
// 5.3%, and by 2.9% in place of 3.6% (A against A, docs/measurement.md, "Comparing
// before and after"). The driver's work is not the same where the responses, the
// requests in flight or the rates differ.
func (c Comparison) correctForSpeed(key scenarios.MetricKey, pairs []Pair) (basis string) {
	if why := c.driverDiffers(); why != "" {
		return uncorrected + why
	}
	if c.driverScatters(key) {
		return uncorrected + "slices of one variant scatter no less when divided by the driver's CPU per request"
	}
	for i, p := range pairs {
		pairs[i].DriverBefore = c.before[p.Block].driverMillis().V
		pairs[i].DriverAfter = c.after[p.Block].driverMillis().V
	}
	return correctedBasis
}

// driverDiffers says what makes the driver's work for a request of the one
// variant differ from that of the other, by all slices at the rate; "" nothing.
func (c Comparison) driverDiffers() string {
	for _, s := range []Sample{c.allBefore, c.allAfter} {
		if driver := s.driverMillis(); !driver.OK() {
			return driver.Missing
		}
	}
	for _, same := range []struct {
		what   string
		of     func(Sample) float64
		within float64
	}{
		{"requests/s", Sample.OfferedRPS, nearBytes},
		{"bytes per response", func(s Sample) float64 { return s.Value(scenarios.MetricBytes).V }, nearBytes},
		{"mean requests in flight", Sample.inFlight, nearInFlight},
	} {
		before, after := same.of(c.allBefore), same.of(c.allAfter)
		if math.Abs(before-after) > same.within*min(before, after) {
			return fmt.Sprintf("%s differ, %s before and %s after", same.what, FormatNumber(before), FormatNumber(after))
		}
	}
	return ""
}

// driverScatters says whether slices of one variant in one block scatter more when
// divided by the driver's CPU: then the driver's CPU tells something else than the
// computer's speed. Nothing was changed between those slices, and their scatter about
// their mean says nothing of the mean, so the choice leaves the intervals as they are.
func (c Comparison) driverScatters(key scenarios.MetricKey) bool {
	plain, less, freedom := 0.0, 0.0, 0
	for _, v := range scenarios.Variants() {
		byBlock := c.table.byBlock(c.Rate, v)
		for _, block := range slices.Sorted(maps.Keys(byBlock)) {
			own, rest := []float64{}, []float64{}
			for _, t := range byBlock[block] {
				s := useOf(t, c.table.scenario)
				value, driver := s.Value(key), s.driverMillis()
				if value.OK() && value.V > 0 && driver.OK() {
					own = append(own, math.Log(value.V))
					rest = append(rest, math.Log(value.V)-math.Log(driver.V))
				}
			}
			plain, less = plain+squaresAbout(meanOf(own), own), less+squaresAbout(meanOf(rest), rest)
			freedom += max(len(own)-1, 0)
		}
	}
	if plain <= minResolution*minResolution*float64(max(freedom, 1)) {
		return less > plain+minResolution*minResolution // below the figures' resolution there is no scatter
	}
	return freedom < minFreedom || less > clearlyLess*plain
}

// useOf is what was counted and used in one slice, without its response times.
func useOf(t record.Trial, scenario *scenarios.Scenario) Sample {
	s := newSample(scenario)
	s.addUse(t)
	return s
}

// driverMillis is the driver's own CPU time for a request, in ms.
func (s Sample) driverMillis() Value {
	cpu, known := s.driverCPU.Get()
	if !known {
		return missing("the driver's CPU time is not known")
	}
	return per(cpu*1000, float64(s.Sent), "no request was sent")
}

// inFlight is the mean number of requests under way, each from the moment that it was
// due: by Little's law the sum of the response times over the duration.
func (s Sample) inFlight() float64 {
	return s.all.response.Mean().Seconds() * float64(s.all.response.Count()) / s.DurationS
}
