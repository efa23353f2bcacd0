// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"headroom/reports/gate"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

func TestPlantInto(t *testing.T) {
	s, err := scenarios.LoadNamed("gate-shop", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	hash := gate.Hash(s)
	planted, err := plantInto(s, []string{"app/shop:plant=statement", "app/shop:burn=9%", "database/postgres:indexes=primary_keys_only"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(planted.Differences(), "; "); strings.Count(got, "becomes") != 3 {
		t.Errorf("differences: %s", got)
	}
	if gate.Hash(s) != hash || len(s.Differences()) > 0 {
		t.Error("the given scenario has changed")
	}
	for text, want := range map[string]string{
		"burn=1ms":              "write GROUP/PROCESS:SETTING=VALUE",
		"app/shop:burn":         "write GROUP/PROCESS:SETTING=VALUE",
		"app:burn=1ms":          "write GROUP/PROCESS:SETTING=VALUE",
		"app/shop:burns=1ms":    `a shop has no setting "burns"; it has burn, cache_ttl`,
		"cache/valkey:x=1":      "after has no process cache/valkey; it has mail/mail, database/postgres, app/shop",
		"database/shop:burn=1s": "after has no process database/shop",
	} {
		if _, err := plantInto(s, []string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
