// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// SLO is a service level objective: every condition must hold. In YAML and on the
// command line it is written as `p99<250ms,errors<0.1%`, with any quantile. `GET
// /api/feed p95<400ms` and `GET /api/feed from far p95<400ms` are conditions of one
// endpoint. `stale<1%` and `lost=0` are conditions of an oracle.
type SLO struct {
	Text       string         `json:"text"`
	Conditions []SLOCondition `json:"conditions"`
}

// SLOCondition is one comparison of an SLO.
type SLOCondition struct {
	Endpoint   string        `json:"endpoint,omitempty"`    // "" is all requests
	Quantile   float64       `json:"quantile,omitempty"`    // of response time, 0..1; 0 for an error rate
	Latency    time.Duration `json:"latency_ns,omitempty"`  // the quantile must be below
	ErrorShare float64       `json:"error_share,omitempty"` // failed and unsent / planned must be below
	// Oracle names a check; its violations / checked must be below
	// ViolationShare, or 0 where that is 0.
	Oracle         OracleName `json:"oracle,omitempty"`
	ViolationShare float64    `json:"violation_share,omitempty"`
}

// String is the condition as it is written.
func (c SLOCondition) String() string {
	percent := func(share float64) string { return fmt.Sprintf("%.6g%%", share*100) }
	switch {
	case c.Oracle != "" && c.ViolationShare == 0:
		return string(c.Oracle) + "=0"
	case c.Oracle != "":
		return string(c.Oracle) + "<" + percent(c.ViolationShare)
	}
	text := "errors<" + percent(c.ErrorShare)
	if c.Quantile > 0 {
		text = fmt.Sprintf("p%.6g<%v", c.Quantile*100, c.Latency)
	}
	return strings.TrimSpace(c.Endpoint + " " + text)
}

const sloExample = "for example p99<250ms,errors<0.1%"

var (
	sloQuantile = regexp.MustCompile(`^p(\d{1,2}(?:\.\d+)?)\s*<\s*(\S+)$`)
	sloErrors   = regexp.MustCompile(`^errors\s*<\s*([\d.]+)%$`)
	sloOracle   = regexp.MustCompile(`^([a-z_]+)\s*(?:<\s*([\d.]+)%|=\s*0)$`)
	sloEndpoint = regexp.MustCompile(`^((?:GET|POST|PUT|DELETE|PATCH|HEAD) \S+(?: from [a-z][a-z0-9-]*)?)\s+(.+)$`)
)

// ParseSLO parses an SLO's text.
func ParseSLO(text string) (SLO, error) {
	slo := SLO{Text: strings.TrimSpace(text)}
	if slo.Text == "" {
		return SLO{}, fmt.Errorf("empty SLO: write conditions joined by commas, %s", sloExample)
	}
	for _, part := range strings.Split(text, ",") {
		condition, err := parseSLOCondition(strings.TrimSpace(part))
		if err != nil {
			return SLO{}, err
		}
		slo.Conditions = append(slo.Conditions, condition)
	}
	return slo, nil
}

func parseSLOCondition(text string) (SLOCondition, error) {
	condition := SLOCondition{}
	rest := text
	if m := sloEndpoint.FindStringSubmatch(rest); m != nil {
		condition.Endpoint, rest = m[1], m[2]
	}
	if m := sloErrors.FindStringSubmatch(rest); m != nil {
		percent, err := strconv.ParseFloat(m[1], 64)
		if err != nil || percent <= 0 || percent > 100 {
			return condition, fmt.Errorf("SLO %q: the error rate must be above 0%% and at most 100%%, %s", text, sloExample)
		}
		condition.ErrorShare = percent / 100
		return condition, nil
	}
	if m := sloOracle.FindStringSubmatch(rest); m != nil && condition.Endpoint == "" && m[1] != "errors" {
		return parseOracleCondition(text, OracleName(m[1]), m[2])
	}
	m := sloQuantile.FindStringSubmatch(rest)
	if m == nil {
		return condition, fmt.Errorf("SLO %q is neither a quantile nor an error rate: write conditions joined by commas, %s", text, sloExample)
	}
	percentile, err := strconv.ParseFloat(m[1], 64)
	if err != nil || percentile <= 0 {
		return condition, fmt.Errorf("SLO %q: the percentile must lie between 0 and 100, %s", text, sloExample)
	}
	limit, err := time.ParseDuration(m[2])
	if err != nil {
		return condition, fmt.Errorf("SLO %q: %q is not a time with a unit, %s", text, m[2], sloExample)
	}
	if limit <= 0 {
		return condition, fmt.Errorf("SLO %q: the latency must be above 0, %s", text, sloExample)
	}
	condition.Quantile, condition.Latency = percentile/100, limit
	return condition, nil
}

func parseOracleCondition(text string, name OracleName, percent string) (SLOCondition, error) {
	condition := SLOCondition{Oracle: name}
	if !CountsViolations(name) {
		return condition, fmt.Errorf("SLO %q: no oracle counts %q%s", text, name, nearest(name, Oracles()))
	}
	if percent == "" {
		return condition, nil
	}
	share, err := strconv.ParseFloat(percent, 64)
	if err != nil || share <= 0 || share > 100 {
		return condition, fmt.Errorf("SLO %q: the share must be above 0%% and at most 100%%, for example stale<1%%; for none at all write %s=0", text, name)
	}
	condition.ViolationShare = share / 100
	return condition, nil
}

// TightestLatency is the smallest latency that the SLO names, 0 if none: what
// the driver's own lag is judged against.
func (s SLO) TightestLatency() time.Duration {
	var tightest time.Duration
	for _, c := range s.Conditions {
		if c.Latency > 0 && (tightest == 0 || c.Latency < tightest) {
			tightest = c.Latency
		}
	}
	return tightest
}

// LoosestLatency is the largest latency that the SLO names, 0 if none.
func (s SLO) LoosestLatency() time.Duration {
	var loosest time.Duration
	for _, c := range s.Conditions {
		loosest = max(loosest, c.Latency)
	}
	return loosest
}
