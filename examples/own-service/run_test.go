// SPDX-License-Identifier: Apache-2.0

package ownservice

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/internal/dockertest"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/image"
	"headroom/targets/kinds"
)

const (
	runLimit  = 12 * time.Minute // two images, the data and a quick run: minutes, on a quiet computer
	stopLimit = 30 * time.Second

	exitGood         = 0
	exitInconclusive = 3

	officialBase = `BASE: "debian:trixie-slim"`
)

// A stranger's service runs as the README says: from a copy of the folder, with a
// whole report at the end.
func TestRunOfTheExample(t *testing.T) {
	cli := dockertest.Connect(t, docker.Connect)
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	dir := copyExample(ctx, t, cli)
	out := filepath.Join(dir, "out")
	code, output := runHeadroom(ctx, t, dir, "run", "./"+scenarioFile, "--quick", "--beside", "--out", out)
	removeBuilt(t, cli, out)
	// On a computer that stalls no slice may be valid. What was counted is on file.
	if code != exitGood && (code != exitInconclusive || !strings.Contains(output, "no slice was valid")) {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	knowsCPU := checkTrials(t, out)
	for _, name := range []string{"report.json", "report.html"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	if code == exitGood {
		checkReport(t, out, knowsCPU)
	} else {
		t.Log("no slice was valid, so that the report has no figures to look at")
	}
	if t.Failed() {
		t.Log(output)
	}
}

// copyExample copies the example's files to a folder, with a Debian in the Dockerfile
// that is here without a registry too: the base of the machines' image.
func copyExample(ctx context.Context, t *testing.T, cli *client.Client) string {
	t.Helper()
	base, err := image.EnsureBase(ctx, cli, image.Packages(kinds.Data()), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"Dockerfile", "app.py", "schema.sql", scenarioFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == scenarioFile {
			if n := strings.Count(string(text), officialBase); n != 1 {
				t.Fatalf("%s has %s %d times, want once", name, officialBase, n)
			}
			text = []byte(strings.Replace(string(text), officialBase, `BASE: "`+base+`"`, 1))
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runHeadroom builds the command and runs it in a folder. The end of ctx interrupts
// it, so that it removes what it has started.
func runHeadroom(ctx context.Context, t *testing.T, dir string, args ...string) (code int, output string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "headroom")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "headroom/cmd/headroom")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopLimit
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v:\n%s", err, text)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// builtPrefix begins what a run says of an image that it has built.
const builtPrefix = "build "

// removeBuilt removes the image that the run has built. No other run would find the
// image, as its tag goes by the folder.
func removeBuilt(t *testing.T, cli *client.Client, out string) {
	t.Helper()
	log, err := record.ReadFile(out)
	if err != nil {
		t.Logf("the image stays: %v", err)
		return
	}
	removed := 0
	for says, id := range log.Run.Environment.Images {
		if !strings.HasPrefix(says, builtPrefix) {
			continue
		}
		_, err := cli.ImageRemove(t.Context(), id, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) {
			t.Error(err)
		}
		removed++
	}
	if removed != 1 {
		t.Errorf("the run names the images %v, want the one that it has built", log.Run.Environment.Images)
	}
}

// checkTrials demands a slice of each variant in which requests succeeded and all
// that an observer can count was counted. It says whether the engine let the observer
// read all CPU times.
func checkTrials(t *testing.T, out string) (knowsCPU bool) {
	t.Helper()
	log, err := record.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	knowsCPU = true
	for _, v := range scenarios.Variants() {
		i := slices.IndexFunc(log.Trials, func(trial record.Trial) bool {
			return trial.Kind == record.KindSlice && trial.Variant == v
		})
		if i < 0 {
			t.Errorf("no slice of %s is on file", v)
			continue
		}
		trial := log.Trials[i]
		if len(trial.Machines) != 4 || trial.Measurement.Succeeded == 0 {
			t.Errorf("%s: %d requests succeeded, %d machines were counted", v, trial.Measurement.Succeeded, len(trial.Machines))
		}
		for _, use := range trial.Machines {
			checkMachine(t, log.Run.Scenario.Topology(v), use)
			knowsCPU = knowsCPU && use.CPUSeconds.Known()
		}
	}
	return knowsCPU
}

// counted is what the machines of a group count by meaning.
var counted = map[string]scenarios.Meaning{"web": scenarios.MeaningAppRequests, "database": scenarios.MeaningStatements}

// checkMachine demands the counts of a machine, and of a foreign one its CPU time or
// why it is not known.
func checkMachine(t *testing.T, topology scenarios.Topology, use record.MachineUse) {
	t.Helper()
	meaning, counts := counted[use.GroupName()]
	for _, p := range use.Processes {
		facts, ok := topology.Facts(use.Machine, p.Name)
		if !ok {
			t.Errorf("%s has no process %s", use.Machine, p.Name)
		}
		if counts && p.Sum(facts.Keys(meaning)) <= 0 {
			t.Errorf("%s counted no %s: %v; %q", use.Machine, meaning, p.Counts, use.Unread)
		}
	}
	if use.GroupName() != "web" {
		return
	}
	unread := slices.ContainsFunc(use.Unread, func(why string) bool { return strings.Contains(why, "cgroup") })
	if cpu, known := use.CPUSeconds.Get(); known != (cpu > 0) || !known && !unread {
		t.Errorf("%s used %v s of CPU; what could not be read: %q", use.Machine, use.CPUSeconds, use.Unread)
	}
	refused := slices.ContainsFunc(use.Unread, func(why string) bool { return strings.HasPrefix(why, "engine: ") })
	for _, bytes := range []maybe.Number{use.NetRxBytes, use.NetTxBytes} { // the engine counts them
		if passed, known := bytes.Get(); known != (passed > 0) || !known && !refused {
			t.Errorf("%s: %v bytes passed through its network; what could not be read: %q", use.Machine, bytes, use.Unread)
		}
	}
}

// figure is a row of report.json.
type figure struct {
	Key           string
	Before, After struct{ Value *float64 }
}

// checkReport demands the figures of a whole report: a capacity and a bill of each
// variant, percentiles and statements by request, a word on each claim, and before's
// bottleneck where all CPU times are known. The rates of a quick run are taken from
// before's capacity, so that after may be too far from its own to have a bottleneck.
func checkReport(t *testing.T, out string, knowsCPU bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Variants []struct {
			Variant    string
			Bottleneck string
			Capacity   struct {
				HeldRPS float64 `json:"held_rps"`
			}
			Bill struct {
				MonthlyUSD float64 `json:"monthly_usd"`
			}
		}
		Overall  []figure
		Rates    []struct{ Rows []figure }
		Claims   []json.RawMessage
		Validity struct {
			InvalidSlices int `json:"invalid_slices"`
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	disturbed := report.Validity.InvalidSlices > 0
	if len(report.Variants) != 2 || len(report.Claims) != 3 || len(report.Rates) == 0 && !disturbed {
		t.Fatalf("%d variants, %d claims, %d rates", len(report.Variants), len(report.Claims), len(report.Rates))
	}
	for _, v := range report.Variants {
		unnamed := v.Bottleneck == "" && v.Variant == string(scenarios.Before)
		if knowsCPU && unnamed && !disturbed || v.Capacity.HeldRPS <= 0 || v.Bill.MonthlyUSD <= 0 {
			t.Errorf("%s: the bottleneck is %q, %g requests/s held, a month costs $%g", v.Variant, v.Bottleneck, v.Capacity.HeldRPS, v.Bill.MonthlyUSD)
		}
	}
	if disturbed {
		t.Log("the computer disturbed a slice, of which a quick run has one each: there are no figures by rate to look at")
		return
	}
	checkFigures(t, report.Overall, "limit_rps", "cost_per_user_usd")
	checkFigures(t, report.Rates[0].Rows, "p50_ms", "p95_ms", "statements_per_request", "db_cpu_ms_per_request")
}

// checkFigures demands values of both variants.
func checkFigures(t *testing.T, rows []figure, keys ...string) {
	t.Helper()
	for _, key := range keys {
		i := slices.IndexFunc(rows, func(f figure) bool { return f.Key == key })
		if i < 0 || rows[i].Before.Value == nil || rows[i].After.Value == nil {
			t.Errorf("the report has no %s of both variants", key)
		}
	}
}
