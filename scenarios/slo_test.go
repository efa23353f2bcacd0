// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"math"
	"strings"
	"testing"
)

func TestParseSLO(t *testing.T) {
	slo, err := ParseSLO("p99.9<1.5s, errors<0.1%,GET /api/feed p95<400ms")
	if err != nil {
		t.Fatal(err)
	}
	if len(slo.Conditions) != 3 || math.Abs(slo.Conditions[0].Quantile-0.999) > 1e-12 ||
		slo.Conditions[1].ErrorShare != 0.001 || slo.Conditions[2].Endpoint != "GET /api/feed" {
		t.Errorf("got %+v", slo.Conditions)
	}
	for _, text := range []string{"", "p99<250", "p99>250ms", "p0<1ms", "p100<1ms", "errors<0.1", "errors<0%", "errors<101%", "latency<3ms", "p99<-1ms"} {
		if slo, err := ParseSLO(text); err == nil {
			t.Errorf("ParseSLO(%q) = %+v, want an error", text, slo)
		} else if !strings.Contains(err.Error(), sloExample) && text != "" {
			t.Errorf("ParseSLO(%q) gives no example: %v", text, err)
		}
	}
}

func TestParseSLOOfAnEndpointInAPlace(t *testing.T) {
	slo, err := ParseSLO("GET /assets/{asset} from far p95<400ms,stale<1%")
	if err != nil {
		t.Fatal(err)
	}
	if got := slo.Conditions[0]; got.Endpoint != "GET /assets/{asset} from far" || got.Quantile != 0.95 {
		t.Errorf("got %+v", got)
	}
	if got := slo.Conditions[1]; got.Oracle != OracleStale || got.ViolationShare != 0.01 {
		t.Errorf("got %+v", got)
	}
}
