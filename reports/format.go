// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strings"

	"headroom/internal/maybe"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// none stands where there is no figure.
const none = "–"

func dollars(v float64) string { return compare.FormatDollars(v) }

// levelText writes a value with its unit, or in one word why there is none.
func levelText(l compare.Level, unit scenarios.Unit) string {
	if l.Value == nil {
		return missingWord(l.Missing)
	}
	v := *l.Value
	switch unit {
	case scenarios.UnitShare:
		if v > 0 && v < 0.0001 {
			return "< 0.01%"
		}
		return fmt.Sprintf("%.4g%%", math.Round(v*1e4)/100)
	case scenarios.UnitUSD:
		return dollars(v)
	case scenarios.UnitMillis:
		return compare.FormatNumber(v) + " ms"
	case scenarios.UnitPerSecond:
		return compare.FormatNumber(v) + "/s"
	}
	return compare.FormatNumber(v)
}

func missingWord(reason string) string {
	switch {
	case strings.HasPrefix(reason, "insufficient"):
		return "insufficient"
	case reason == "no valid slice":
		return "invalid"
	case strings.HasSuffix(reason, maybe.NotKnown):
		return maybe.NotKnown
	}
	return none
}

// percentText is a share as "12%".
func percentText(share maybe.Number) string {
	v, known := share.Get()
	if !known {
		return maybe.NotKnown
	}
	return fmt.Sprintf("%.0f%%", v*100)
}

// millisText is "1.20 ms".
func millisText(millis maybe.Number) string {
	v, known := millis.Get()
	if !known {
		return maybe.NotKnown
	}
	return compare.FormatNumber(v) + " ms"
}

// survivesMark stands behind a ratio that is shown for all rows of its table
// together.
const survivesMark = "*"

// ratioText is "0.31x (0.29-0.33)", or none.
func ratioText(e compare.Effect) string {
	if e.Missing != "" {
		return none
	}
	return compare.WithInterval(e.Ratio, "x", e.Interval)
}

// markedRatio is ratioText with its mark.
func markedRatio(e compare.Effect) string {
	if e.Survives {
		return ratioText(e) + " " + survivesMark
	}
	return ratioText(e)
}

// detectableText is the minimum detectable effect: "5%", or "3.1x" once it is
// more than a doubling; none when it is not known.
func detectableText(e compare.Effect) string {
	switch r := e.DetectableRatio; {
	case e.Missing != "" || r == 0:
		return none
	case r >= 2:
		return compare.FormatNumber(r) + "x"
	default:
		return fmt.Sprintf("%.2g%%", (r-1)*100)
	}
}
