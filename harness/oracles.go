// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"slices"
	"strconv"
	"time"

	"headroom/harness/drive"
	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// auditTimeout bounds all questions after one slice, together with the wait for the
// queue.
const auditTimeout = drainTimeout + 25*time.Second

// cacheHeader is the header in which a cache says whether it answered itself.
const cacheHeader = "X-Cache"

// oraclesOf returns the oracles that run with a slice, in the order of reports. A
// compared slice and a soak run the scenario's and the SLO's oracles. Other probes run
// only the SLO's oracles, because asking takes time.
func (c *Conductor) oraclesOf(of sliceOf) []scenarios.OracleName {
	if of.kind == "" {
		return nil // a warm-up
	}
	var wanted []scenarios.OracleName
	if of.kind == record.KindSlice || of.rateName == record.RateSoak {
		wanted = append(wanted, c.Scenario.Oracles...)
	}
	for _, condition := range c.Scenario.SLO.Conditions {
		if condition.Oracle != "" {
			wanted = append(wanted, condition.Oracle)
		}
	}
	var names []scenarios.OracleName
	for _, name := range scenarios.Oracles() {
		if slices.Contains(wanted, name) {
			names = append(names, name)
		}
	}
	return names
}

// watch adds to a job what its oracles need, and the headers to count.
func (c *Conductor) watch(job *drive.Job, of sliceOf) {
	topology := c.Scenario.Topology(of.variant)
	edge := topology.HoldsAnswers()
	if edge || len(cachesOf(topology)) > 0 {
		job.CountHeaders = []string{cacheHeader}
	}
	job.Oracles = c.oraclesOf(of)
	at := slices.Index(job.Oracles, scenarios.OracleOverLimit)
	if at < 0 {
		return
	}
	limit, ok := rateLimit(topology)
	if !ok {
		job.Oracles = slices.Delete(job.Oracles, at, at+1)
		return
	}
	job.RateLimit = limit
	job.RateLimit.BehindCache = edge
}

// rateLimit is the limit that a topology's gateway promises; ok is false without a
// gateway. A gateway with limiter: none promises the limit too, and the oracle shows
// the difference.
func rateLimit(t scenarios.Topology) (limit drive.RateLimit, ok bool) {
	for _, at := range t.ProcessesWithSetting("rate_limit") {
		requests, err := strconv.Atoi(at.Process.Settings["rate_limit"])
		window, windowErr := time.ParseDuration(at.Process.Settings["rate_window"])
		if err == nil && windowErr == nil && requests > 0 && window > 0 {
			return drive.RateLimit{Limit: requests, Window: window}, true
		}
	}
	return drive.RateLimit{}, false
}

// audit asks the machines after a slice, and puts all findings into the trial in the
// order of reports. audit returns no error: an unanswered question is a finding too,
// with its reason.
//
// The driver begins every slice without knowledge: it ignores versions and ids of
// earlier slices. The sample of created rows is not stored, because nothing needs the
// sample after audit.
func (c *Conductor) audit(ctx context.Context, of sliceOf, s stage.System, trial *record.Trial, before, after []spec.Counters) {
	names := c.oraclesOf(of)
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	a := &audit{
		Auditor: c.auditor(), topology: c.Scenario.Topology(of.variant), machines: map[string]machineWindow{},
		created: trial.Measurement.Created, trial: trial,
		found: map[scenarios.OracleName][]record.Oracle{},
	}
	for i, m := range s.Machines() {
		w := machineWindow{Machine: m}
		if i < len(before) && i < len(after) {
			w.from, w.till = before[i].MonotonicNano, after[i].MonotonicNano
		}
		a.machines[m.Name] = w
	}
	for _, o := range trial.Measurement.Oracles {
		a.add(o)
	}
	for _, name := range names {
		if len(a.found[name]) == 0 {
			a.ask(ctx, name)
		}
		trial.Oracles = append(trial.Oracles, a.found[name]...)
	}
	trial.Measurement.Oracles, trial.Measurement.Created = nil, nil
}

// machineWindow is a machine and the slice's window on its own clock.
type machineWindow struct {
	stage.Machine
	from, till int64
}

// audit is the state of the questions after one slice.
type audit struct {
	Auditor
	topology scenarios.Topology
	machines map[string]machineWindow
	created  map[string][]record.Created
	trial    *record.Trial
	found    map[scenarios.OracleName][]record.Oracle
}

func (a *audit) add(o record.Oracle) { a.found[o.Name] = append(a.found[o.Name], o) }

func (a *audit) unmeasured(name scenarios.OracleName, format string, args ...any) {
	a.add(oracle.Unmeasured(name, "", format, args...))
}
