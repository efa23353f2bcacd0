// SPDX-License-Identifier: Apache-2.0

package main

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/harness/record"
)

// recordedRun unpacks a measured run of phase 1 into a folder of its own.
func recordedRun(t *testing.T) string {
	t.Helper()
	packed, err := os.Open(filepath.Join("..", "..", "reports", "testdata", "phase1-recorded.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, record.FileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPlanAnswersOrRefuses(t *testing.T) {
	dir := recordedRun(t)
	const slo = "p99<250ms,errors<0.1%"
	code, stdout, stderr := headroom(t.Context(), "plan", dir, "--users", "1k", "--slo", slo)
	if code != exitGood || !strings.Contains(stdout, "1,000 users under "+slo) || !strings.Contains(stdout, "Cheapest: ") {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	// Its scenario has an SLO, which does when none is given.
	code, stdout, stderr = headroom(t.Context(), "plan", dir, "--users", "1k")
	if code != exitGood || !strings.Contains(stdout, "1,000 users under p9") || !strings.Contains(stdout, "Cheapest: ") {
		t.Errorf("without --slo: exit code %d: %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = headroom(t.Context(), "plan", dir, "--users", "900M", "--slo", slo, "--json")
	if code != exitInconclusive || !strings.Contains(stderr, "no number is given") {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var answer struct {
		Best    *struct{} `json:"best"`
		Options []struct {
			Carries    bool      `json:"carries"`
			Reason     string    `json:"reason"`
			MonthlyUSD *struct{} `json:"monthly_usd"`
		} `json:"options"`
	}
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatalf("%v in:\n%s", err, stdout)
	}
	if answer.Best != nil || len(answer.Options) != 2 {
		t.Fatalf("%+v, want no best of two", answer)
	}
	beyond := 0
	for _, o := range answer.Options {
		if o.Carries || o.MonthlyUSD != nil || o.Reason == "" {
			t.Errorf("%+v", o)
		}
		if strings.Contains(o.Reason, "beyond 4x") {
			beyond++
		}
	}
	if beyond == 0 {
		t.Errorf("no refusal beyond 4 times: %+v", answer.Options)
	}
}

// The same trials and the same price book give the same bytes, and another
// book other costs.
func TestReportWithPrices(t *testing.T) {
	dir := recordedRun(t)
	book := filepath.Join(t.TempDir(), "prices.yaml")
	text := "name: mine\nsource: our contract\ndate: 2026-11-01\nsizes:\n" +
		"  small: {vcpu: 2, gib: 4, usd_per_hour: 1}\n  medium: {vcpu: 2, gib: 8, usd_per_hour: 1}\n" +
		"  large: {vcpu: 4, gib: 16, usd_per_hour: 1, source: an offer, date: 2026-11-20}\n"
	if err := os.WriteFile(book, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pages := func(args ...string) string {
		if code, _, stderr := headroom(t.Context(), append([]string{"report", dir}, args...)...); code != exitGood {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		var all strings.Builder
		for _, name := range []string{"report.html", "report.json"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
		return all.String()
	}
	example, mine := pages(), pages("--prices", book)
	if mine != pages("--prices", book) || example != pages() {
		t.Error("a rebuild with the same prices differs")
	}
	if !strings.Contains(mine, "size large, 2026-11-20: an offer") {
		t.Error("the page does not say where the price of its own comes from")
	}
	if !strings.Contains(mine, "$730") || strings.Contains(mine, "prices are an example") || !strings.Contains(example, "prices are an example") {
		t.Error("the report was not made with the prices that were given")
	}
	if !strings.Contains(mine, `"cost_curve": [`) || !strings.Contains(mine, "Cost per user and month") {
		t.Error("no curve of cost per user")
	}
}
