// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// Secrets go to the processes, and into no trials file.
func TestRunLineHoldsNoSecret(t *testing.T) {
	env := map[string]string{"API_TOKEN": "hunter2", "URL": "postgres://web:hunter2@{db}/web", "POOL": "4"}
	topology := scenarios.Topology{Entry: "web/web", Machines: []scenarios.Machine{{Name: "web", Processes: []scenarios.Process{
		{Name: "web", Service: &scenarios.Service{Image: "web:1", Env: env}}}}}}
	s := &scenarios.Scenario{Name: "own", Before: topology, After: topology}
	m := &session{runID: "own-1", started: time.Unix(1000, 0)}
	line := m.runLine(s, 5, 7)
	if line.ID != "own-1" || line.Blocks != 5 || line.Seed != 7 || !line.StartedAt.Equal(m.started) {
		t.Errorf("%+v", line)
	}
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), `"POOL":"4"`) {
		t.Errorf("%s", text)
	}
	if env["API_TOKEN"] != "hunter2" {
		t.Error("the process loses its secret too")
	}
}
