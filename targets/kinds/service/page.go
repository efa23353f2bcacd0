// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// readPage reads the named counters from a page in Prometheus' text format, by the
// names that the facts of the service give them. An UnknownCountersError names the
// counters that are not on the page: some programs show a counter only once it has
// counted something.
func readPage(page []byte, e scenarios.Exposition) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("%s is no page in Prometheus' text format: %w", shown(e.Path), err)
	}
	counts := map[string]float64{}
	var missing []error
	for _, c := range e.Counters() {
		name := e.Names[c.Meaning]
		value, err := sum(families[name])
		if err != nil {
			missing = append(missing, fmt.Errorf("%s: %s %w", shown(e.Path), name, err))
			continue
		}
		counts[c.SourceKey()] = value
	}
	if why := errors.Join(missing...); why != nil {
		return counts, &machine.UnknownCountersError{Why: why}
	}
	return counts, nil
}

// sum adds up a metric over all its labels.
func sum(family *dto.MetricFamily) (float64, error) {
	if family == nil {
		return 0, errors.New("is not on the page")
	}
	total := 0.0
	for _, m := range family.GetMetric() {
		switch family.GetType() {
		case dto.MetricType_COUNTER:
			total += m.GetCounter().GetValue()
		case dto.MetricType_GAUGE:
			total += m.GetGauge().GetValue()
		case dto.MetricType_UNTYPED:
			total += m.GetUntyped().GetValue()
		default:
			return 0, fmt.Errorf("is a %s: name a counter or a gauge under `counters:`", strings.ToLower(family.GetType().String()))
		}
	}
	if math.IsNaN(total) || math.IsInf(total, 0) {
		return 0, fmt.Errorf("is %v, and no figure", total)
	}
	return total, nil
}
