package harness

import (
	"strings"
	"testing"

	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/scenarios"
)

func gateOn(t *testing.T, stage *fakeStage, until int) ([]record.Trial, error) {
	t.Helper()
	stage.t, stage.running = t, map[*fakeSystem]bool{}
	writer := &kept{}
	plan := GatePlan(12)
	plan.Fill = 0 // there is no shop behind it
	c := &Conductor{Scenario: phase3(t), Plan: plan, Seed: 1, Environment: record.Environment{CPUs: 4}, Stage: stage, Writer: writer, Progress: silent{}}
	err := c.Gate(t.Context(), func(blocks int) bool { return blocks >= until })
	if len(stage.running) > 0 {
		t.Errorf("%d systems still run", len(stage.running))
	}
	return writer.trials, err
}

// A gate's blocks have six slices in turns, mirrored from block to block, all at
// 60% of what the weaker variant's CPUs allow, and end when they are told to.
func TestGate(t *testing.T) {
	trials, err := gateOn(t, &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 200}}, 4)
	if err != nil {
		t.Fatal(err)
	}
	orders := make([]string, 5)
	for _, trial := range trials {
		orders[trial.Block] += strings.ToUpper(string(trial.Variant[:1]))
		if rps := trial.Measurement.OfferedRPS; trial.RateName != record.RateGate || trial.Kind != record.KindSlice || rps < 59 || rps > 61 {
			t.Errorf("%s %s at %v requests/s", trial.Kind, trial.RateName, rps)
		}
	}
	for block := 1; block <= 4; block++ {
		want := map[bool]string{true: orders[1], false: mirrored(orders[1])}[block%2 == 1]
		if orders[block] != want || orders[block] != "BAABBA" && orders[block] != "ABBAAB" {
			t.Errorf("block %d is %s", block, orders[block])
		}
	}
}

func mirrored(order string) string {
	return strings.NewReplacer("A", "B", "B", "A").Replace(order)
}

// A slice that the driver spoiled is measured again, and both are on file.
func TestGateRepeatsSpoiltSlices(t *testing.T) {
	spoilt := 0
	trials, err := gateOn(t, &fakeStage{
		capacity: map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 100},
		spoiled: func(job drive.Job) bool {
			if job.Duration != GatePlan(1).Slice {
				return false
			}
			spoilt++
			return spoilt == 3
		},
	}, 1)
	if err != nil || len(trials) != 7 {
		t.Errorf("%d trials, %v", len(trials), err)
	}
}
