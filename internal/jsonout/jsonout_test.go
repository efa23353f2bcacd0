// SPDX-License-Identifier: Apache-2.0

package jsonout

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, "the plan", map[string]string{"slo": "p99<250ms"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"slo\": \"p99<250ms\"\n}\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := Write(&out, "the plan", math.NaN()); err == nil || !strings.HasPrefix(err.Error(), "write the plan: ") {
		t.Errorf("what JSON can't say gives %v", err)
	}
}
