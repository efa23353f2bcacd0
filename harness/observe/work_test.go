// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"reflect"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/targets/machine/spec"
)

func TestWork(t *testing.T) {
	target := Target{"db", agent(t, 200, `[{"process":"postgres","of":"statement","name":"SELECT $1","counts":{"calls":3}}]`), "n"}
	work, err := Work(t.Context(), target)
	want := []spec.Work{{Process: "postgres", Of: spec.WorkStatement, Name: "SELECT $1", Counts: map[string]float64{"calls": 3}}}
	if err != nil || !reflect.DeepEqual(work, want) {
		t.Errorf("%+v, %v", work, err)
	}
	target.AgentURL = agent(t, 503, "postgres: away")
	if _, err := Work(t.Context(), target); err == nil || !strings.Contains(err.Error(), "machine db") || !strings.Contains(err.Error(), "postgres: away") {
		t.Errorf("error %v", err)
	}
}

func TestAddWork(t *testing.T) {
	work := func(name string, calls, rows float64) spec.Work {
		return spec.Work{Process: "postgres", Of: spec.WorkStatement, Name: name, Counts: map[string]float64{"calls": calls, "rows": rows}}
	}
	use := record.MachineUse{Machine: "db", Processes: []record.ProcessUse{{Name: "postgres"}}}
	reasons := AddWork(&use, []spec.Work{work("a", 5, 5), work("b", 7, 1), work("c", 9, 0)},
		[]spec.Work{work("a", 5, 5), work("b", 9, 1), work("c", 8, 0), work("new", 4, 0)})
	want := []record.Work{
		{Of: "statement", Name: "b", Counts: map[string]float64{"calls": 2}},
		{Of: "statement", Name: "new", Counts: map[string]float64{"calls": 4}},
	}
	if got := use.Processes[0].Work; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(reasons) != 1 || !strings.Contains(reasons[0], "machine db: counter statement c calls went backwards, from 9 to 8") {
		t.Errorf("reasons %q", reasons)
	}
}
