// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shareSuffix makes the metric of an oracle that counts: its violations over
// its checks.
const shareSuffix = "_share"

// OracleOf returns the oracle whose share of violations a metric is, false for every
// other metric. Only of such a metric may a claim say that there is none:
// `read_your_writes_share after <= 0 at common`.
func OracleOf(metric MetricKey) (OracleName, bool) {
	text, is := strings.CutSuffix(string(metric), shareSuffix)
	name := OracleName(text)
	return name, is && CountsViolations(name)
}

const testExample = "for example `db_cpu_ms_per_request ratio <= 0.30 at common`"

var claimTest = regexp.MustCompile(`^([a-z0-9_]+)(?:\[([^\]]+)\])? (\S+) (\S+) (\S+) at (\S+)$`)

func readClaims(n node, mix []Endpoint) []Claim {
	var claims []Claim
	for _, item := range n.items() {
		m := item.mapping("id", "source", "text", "test")
		c := Claim{}
		texts := map[string]*string{"id": &c.ID, "source": &c.Source, "text": &c.Text}
		for _, key := range []string{"id", "source", "text"} {
			if v, ok := item.need(m, key); ok {
				*texts[key] = v.text()
			}
		}
		if slices.ContainsFunc(claims, func(other Claim) bool { return other.ID == c.ID }) {
			item.fail("the claim %q stands twice", c.ID)
		}
		if v, ok := item.need(m, "test"); ok {
			readClaimTest(v, &c, mix)
		}
		claims = append(claims, c)
	}
	return claims
}

// readClaimTest reads `METRIC ratio|before|after <=|>= VALUE at common|high|limit`.
func readClaimTest(n node, c *Claim, mix []Endpoint) {
	match := claimTest.FindStringSubmatch(strings.Join(strings.Fields(n.text()), " "))
	if match == nil {
		n.fail("%q is no test: write METRIC ratio|before|after <=|>= VALUE at common|high, %s", n.text(), testExample)
		return
	}
	metric, endpoint := MetricKey(match[1]), match[2]
	row, _ := MetricOf(metric)
	if !row.Claimed {
		n.fail("unknown metric %q%s", metric, nearest(metric, claimedMetrics()))
	}
	if endpoint != "" {
		if !row.ByEndpoint {
			n.fail("%s is not measured by endpoint; %s, %s and %s are", metric, MetricP50, MetricP95, MetricP99)
		}
		if !knownEndpoint(mix, endpoint) {
			n.fail("the mix has no endpoint %q%s", endpoint, nearest(endpoint, endpointNames(mix)))
		}
		metric += MetricKey("[" + endpoint + "]")
	}
	c.Metric = metric
	c.Compare = n.word(match[3], "ratio", "before", "after")
	c.Op = n.word(match[4], "<=", ">=")
	c.At = RateName(n.word(match[6], string(RateCommon), string(RateHigh), string(RateOfRun)))
	value, err := strconv.ParseFloat(match[5], 64)
	if err != nil || !(value >= 0) || value > 1e12 {
		n.fail("%q: the claimed value must be a number above 0, %s", match[5], testExample)
	} else if value == 0 && !claimsNone(*c) {
		n.fail("%q: the claimed value must be a number above 0; 0 says that an oracle finds no violation, for example `read_your_writes_share after <= 0 at common`", match[5])
	}
	c.Value = value
}

// claimsNone says that the claim is about no violation at all.
func claimsNone(c Claim) bool {
	_, counted := OracleOf(c.Metric)
	return counted && c.Op == "<=" && c.Compare != "ratio"
}

// word checks one word of n's text.
func (n node) word(text string, known ...string) string {
	if !slices.Contains(known, text) {
		n.fail("%q is not known%s", text, nearest(text, known))
	}
	return text
}

// RateName says at which rate a trial was measured, or what it was measured for.
// Claims name three of them; package record has the others.
type RateName string

// The rates that a claim may name.
const (
	RateCommon RateName = "common" // both variants at 80% of the smaller capacity
	RateHigh   RateName = "high"   // each variant's soak, just below its own capacity
	RateOfRun  RateName = "limit"  // of metrics without a rate: the capacity itself, and costs
)
