// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"headroom/targets/kinds"
)

// Every kind is listed, and says of each setting and link what it is for.
func TestKinds(t *testing.T) {
	var pages []kindPage
	code, stdout, stderr := headroom(t.Context(), "kinds", "--json")
	if err := json.Unmarshal([]byte(stdout), &pages); code != exitGood || err != nil || len(pages) != len(kinds.Data()) {
		t.Fatalf("exit code %d: %d kinds of %d, %v, %s", code, len(pages), len(kinds.Data()), err, stderr)
	}
	for _, k := range pages {
		if k.About == "" || k.Label == "" || k.Port == 0 {
			t.Errorf("%+v says too little", k)
		}
		for _, s := range k.Settings {
			if s.About == "" || s.Default == "" || mayHold(s) == "" {
				t.Errorf("%s: setting %+v says too little", k.Name, s)
			}
		}
		for _, l := range k.Links {
			if l.About == "" || len(l.To) == 0 {
				t.Errorf("%s: link %+v says too little", k.Name, l)
			}
		}
	}
}

func TestKindsForPeople(t *testing.T) {
	if code, out, _ := headroom(t.Context(), "kinds"); code != exitGood || !strings.Contains(out, "postgres") || !strings.Contains(out, "headroom kinds shop") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	code, out, _ := headroom(t.Context(), "kinds", "shop")
	if code != exitGood {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{"shop: the reference application. Port 8000", "cache_ttl:", "1ms to 24h0m0s", "default 5m0s", "database:", "machine/postgres, several", "required"} {
		if !strings.Contains(out, want) {
			t.Errorf("without %q:\n%s", want, out)
		}
	}
	if code, _, stderr := headroom(t.Context(), "kinds", "mysql"); code != exitFailure || !strings.Contains(stderr, `there is no kind "mysql"; known are gateway, haproxy`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
