// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
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
		if k.About == "" || k.Label == "" || (k.Port == 0) != k.Service {
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

// A service has keys of its own, which its page explains in full.
func TestKindOfServices(t *testing.T) {
	code, out, _ := headroom(t.Context(), "kinds", "service")
	if code != exitGood || !strings.Contains(out, "Each says its own port") {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "own-systems.md"))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, key := range serviceKeys {
		keys = append(keys, key[0])
		if !strings.Contains(out, "  "+key[0]+":") || key[1] == "" || key[2] == "" {
			t.Errorf("%q says too little, or is missing:\n%s", key, out)
		}
		if !strings.Contains(string(page), "\n| `"+key[0]+"` |") {
			t.Errorf("docs/own-systems.md has no row of the table for %s", key[0])
		}
	}
	if want := slices.Sorted(slices.Values(scenarios.ServiceKeys())); !slices.Equal(slices.Sorted(slices.Values(keys)), want) {
		t.Errorf("the page of services explains %q, and a scenario file may say %q", keys, want)
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
