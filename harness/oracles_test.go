// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
	"headroom/targets/shop/shards"
)

// fakeAuditor is a system whose machines can answer every question.
type fakeAuditor struct {
	machines []stage.Machine
	lag      map[string][]spec.LagSample // by machine
	rows     map[string][]int64          // by machine and table: "shard-1 orders"
	backlog  []spec.Backlog              // one answer after another; the last stays
	sent     map[int64]int
	full     bool
	broken   string // whoever is asked with this path or table fails
	asked    []string
}

func (k *fakeAuditor) SetCPUQuotas(context.Context) error { return nil }
func (k *fakeAuditor) EntryURL(from string) string        { return "http://" + from }
func (k *fakeAuditor) Machines() []stage.Machine          { return k.machines }
func (k *fakeAuditor) Deaths() []stage.Death              { return nil }
func (k *fakeAuditor) Close(context.Context) error        { return nil }

func (k *fakeAuditor) note(what string) error {
	k.asked = append(k.asked, what)
	if k.broken != "" && strings.Contains(what, k.broken) {
		return errors.New("connection refused")
	}
	return nil
}

func (k *fakeAuditor) Lag(_ context.Context, target observe.Target, from, till int64) ([]spec.LagSample, error) {
	var within []spec.LagSample
	for _, s := range k.lag[target.Machine] {
		if s.MonotonicNano >= from && s.MonotonicNano <= till {
			within = append(within, s)
		}
	}
	return within, k.note("lag " + target.Machine)
}

func (k *fakeAuditor) Rows(_ context.Context, target observe.Target, process, table string, ids []int64) ([]int64, error) {
	var present []int64
	for _, id := range k.rows[target.Machine+" "+table] {
		if slices.Contains(ids, id) {
			present = append(present, id)
		}
	}
	return present, k.note(fmt.Sprintf("rows %s/%s %s", target.Machine, process, table))
}

func (k *fakeAuditor) Ask(_ context.Context, target observe.Target, process, path string, body, into any) error {
	if err := k.note(fmt.Sprintf("ask %s/%s %s", target.Machine, process, path)); err != nil {
		return err
	}
	if path == spec.BacklogPath {
		left := k.backlog[0]
		if len(k.backlog) > 1 {
			k.backlog = k.backlog[1:]
		}
		*into.(*spec.Backlog) = left
		return nil
	}
	if path == spec.HomePath {
		*into.(*[]int) = homesOf(body.(spec.HomeQuestion))
		return nil
	}
	question := body.(spec.EffectsQuestion)
	seen := spec.Effects{Seen: map[int64]int{}, Full: k.full}
	for _, id := range question.IDs {
		seen.Seen[id] = k.sent[id]
	}
	*into.(*spec.Effects) = seen
	return nil
}

// homesOf is the shop's word: a post is where its id hashes to, an order where its
// buyer's does.
func homesOf(question spec.HomeQuestion) []int {
	homes := []int{}
	for _, row := range question.Rows {
		key := row.ID
		if question.Table == "orders" {
			key = row.Session
		}
		home := spec.NoHome
		if key != 0 {
			home = shards.Hash(key, question.Of)
		}
		homes = append(homes, home)
	}
	return homes
}

// everything is a topology with all that oracles ask for.
func everything(t *testing.T) scenarios.Topology {
	t.Helper()
	machine := func(name string, kind scenarios.KindName, settings map[string]string, links ...scenarios.Link) scenarios.Machine {
		group, _, _ := strings.Cut(name, "-")
		return scenarios.Machine{Name: name, Group: group, Processes: []scenarios.Process{processOf(t, kind, settings, links...)}}
	}
	shard := func(name string) scenarios.Machine {
		m := machine(name, "postgres", nil)
		m.Processes[0].Seed = []string{"seed", "{copy}"}
		return m
	}
	return scenarios.Topology{
		Entry: "edge-1/varnish", Entries: map[string]string{"eu": "edge-1/varnish", "us": "edge-2/varnish"},
		Machines: []scenarios.Machine{
			shard("shard-1"), shard("shard-2"),
			machine("replica-1", "postgres", nil, scenarios.Link{Role: "primary", To: []string{"shard-1/postgres"}}),
			machine("replica-2", "postgres", nil, scenarios.Link{Role: "primary", To: []string{"shard-2/postgres"}}),
			machine("mail", "mail", nil), machine("worker-1", "worker", nil), machine("worker-2", "worker", nil),
			machine("app-1", "shop", map[string]string{"shard_by": "hash"}),
			machine("gateway", "gateway", map[string]string{"rate_limit": "100", "rate_window": "1m0s", "limiter": "sliding"}),
			machine("edge-1", "varnish", nil), machine("edge-2", "varnish", nil),
		},
	}
}

// created returns n orders and posts, and puts their rows where they belong.
func (k *fakeAuditor) created(n int64) map[string][]record.Created {
	out := map[string][]record.Created{}
	k.rows, k.sent = map[string][]int64{}, map[int64]int{}
	for i := range n {
		order, post := record.Created{ID: 1000 + i, Session: 1 + i%7}, record.Created{ID: 5000 + i}
		out["orders"], out["posts"] = append(out["orders"], order), append(out["posts"], post)
		at := fmt.Sprintf("shard-%d orders", 1+shards.Hash(order.Session, 2))
		k.rows[at] = append(k.rows[at], order.ID)
		at = fmt.Sprintf("shard-%d posts", 1+shards.Hash(post.ID, 2))
		k.rows[at] = append(k.rows[at], post.ID)
		k.sent[order.ID] = 1
	}
	return out
}

// auditing conducts the audit of one slice of a topology. prepare may change what the
// machines answer.
func auditing(t *testing.T, ctx context.Context, topology scenarios.Topology, prepare func(*fakeAuditor, *record.Trial)) (*record.Trial, *fakeAuditor) {
	t.Helper()
	k := &fakeAuditor{backlog: []spec.Backlog{{}}, lag: map[string][]spec.LagSample{}}
	var before, after []spec.Counters
	for _, m := range topology.Machines {
		k.machines = append(k.machines, stage.Machine{Name: m.Name, Agent: observe.Target{Machine: m.Name}})
		before = append(before, spec.Counters{MonotonicNano: 100})
		after = append(after, spec.Counters{MonotonicNano: 200})
	}
	for i, at := range []int64{50, 100, 150, 200, 250} { // three of them in the slice
		for shard := 1; shard <= 2; shard++ {
			primary := fmt.Sprintf("shard-%d", shard)
			k.lag[primary] = append(k.lag[primary], spec.LagSample{MonotonicNano: at, Replica: fmt.Sprintf("replica-%d", shard), Bytes: int64(100 * i), Ms: 5})
		}
	}
	trial := &record.Trial{Kind: record.KindSlice, Variant: scenarios.Before}
	trial.Measurement.Created = k.created(40)
	trial.Measurement.Oracles = []record.Oracle{
		{Name: scenarios.OracleStale, Checked: 10}, {Name: scenarios.OracleReadYourWrites, Checked: 5}, {Name: scenarios.OracleMonotonic, Checked: 5},
		{Name: scenarios.OracleDuplicateIDs, Checked: 80}, {Name: scenarios.OracleOverLimit, Checked: 70},
	}
	worker := record.ProcessUse{Name: "worker", Kind: "worker", Counts: map[string]float64{"delivered": 60, "reordered": 2}}
	trial.Machines = []record.MachineUse{{Machine: "worker-1", Processes: []record.ProcessUse{worker}}, {Machine: "worker-2", Processes: []record.ProcessUse{worker}}}
	if prepare != nil {
		prepare(k, trial)
	}
	c := &Conductor{Scenario: &scenarios.Scenario{Before: topology, After: topology, Oracles: scenarios.Oracles()}, Auditor: k}
	c.audit(ctx, sliceOf{kind: record.KindSlice, variant: scenarios.Before}, k, trial, before, after)
	if err := trial.Check(); err != nil {
		t.Error(err)
	}
	if trial.Measurement.Created != nil || trial.Measurement.Oracles != nil {
		t.Errorf("the measurement keeps %v and %v", trial.Measurement.Created, trial.Measurement.Oracles)
	}
	return trial, k
}

// Questions go through a machine's agent, and so do the answers.
func TestAgentsRelayQuestions(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q spec.Question
		w.Header().Set(spec.NonceHeader, "nonce")
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != spec.AskPath {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		if q.Path == spec.BacklogPath && q.Body == nil {
			_, _ = fmt.Fprint(w, `{"pending":3,"ack_pending":1}`)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %s", q.Process, q.Body)
	}))
	defer server.Close()
	target := observe.Target{Machine: "m", AgentURL: server.URL, Nonce: "nonce"}
	var left spec.Backlog
	if err := (agents{}).Ask(t.Context(), target, "worker", spec.BacklogPath, nil, &left); err != nil || left.Pending != 3 || left.AckPending != 1 {
		t.Errorf("%+v, %v", left, err)
	}
	err := agents{}.Ask(t.Context(), target, "mail", spec.EffectsPath, spec.EffectsQuestion{IDs: []int64{1}}, &left)
	if err == nil || !strings.Contains(err.Error(), "ask m/mail for "+spec.EffectsPath) {
		t.Errorf("an answer that is no JSON: %v", err)
	}
}

// of returns the findings of one oracle.
func of(trial *record.Trial, name scenarios.OracleName) []record.Oracle {
	var out []record.Oracle
	for _, o := range trial.Oracles {
		if o.Name == name {
			out = append(out, o)
		}
	}
	return out
}

func TestAuditOfACorrectSystem(t *testing.T) {
	trial, k := auditing(t, t.Context(), everything(t), nil)
	var names []scenarios.OracleName
	for _, o := range trial.Oracles {
		if !slices.Contains(names, o.Name) {
			names = append(names, o.Name)
		}
		if o.Unknown != "" || o.Checked == 0 || o.Violations > 0 && o.Name != scenarios.OracleReordered {
			t.Errorf("%+v", o)
		}
	}
	if !slices.Equal(names, scenarios.Oracles()) {
		t.Errorf("findings in the order %q", names)
	}
	if lag := of(trial, scenarios.OracleLag); len(lag) != 2 || lag[0].Scope != "replica-1" || lag[1].Checked != 3 || lag[1].LagBytes["max"] != 300 {
		t.Errorf("%+v", lag)
	}
	if o := of(trial, scenarios.OracleReordered); len(o) != 1 || o[0].Checked != 120 || o[0].Violations != 4 {
		t.Errorf("%+v", o)
	}
	if o := of(trial, scenarios.OracleMisplaced); len(o) != 2 || o[0].Scope != "orders" || o[0].Checked != 40 || o[1].Scope != "posts" {
		t.Errorf("%+v", o)
	}
	for _, what := range k.asked {
		if strings.Contains(what, "replica") {
			t.Errorf("a replica was asked: %s", what)
		}
	}
}

// Each violation, and each unanswered question, shows in its own oracle.
func TestAuditFindsWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name       string
		prepare    func(*fakeAuditor, *record.Trial)
		oracle     scenarios.OracleName
		violations int64
		unknown    string
	}{
		{"a mail that was never sent", func(k *fakeAuditor, _ *record.Trial) { k.sent[1003] = 0 }, scenarios.OracleLost, 1, ""},
		{"a mail sent twice", func(k *fakeAuditor, _ *record.Trial) { k.sent[1003] = 2 }, scenarios.OracleDuplicated, 1, ""},
		{"a row in both shards", func(k *fakeAuditor, _ *record.Trial) {
			for _, shard := range []string{"shard-1 orders", "shard-2 orders"} {
				k.rows[shard] = append(slices.DeleteFunc(k.rows[shard], func(id int64) bool { return id == 1000 }), 1000)
			}
		}, scenarios.OracleMisplaced, 1, ""},
		{"all rows in the wrong shard", func(k *fakeAuditor, _ *record.Trial) {
			k.rows["shard-1 posts"], k.rows["shard-2 posts"] = k.rows["shard-2 posts"], k.rows["shard-1 posts"]
		}, scenarios.OracleMisplaced, 40, ""},
		{"the queue drains at the third look", func(k *fakeAuditor, _ *record.Trial) {
			k.backlog = []spec.Backlog{{Pending: 4}, {AckPending: 1}, {}}
		}, scenarios.OracleLost, 0, ""},
		{"a shard is away", func(k *fakeAuditor, _ *record.Trial) { k.broken = "rows shard-2" }, scenarios.OracleMisplaced, 0, "connection refused"},
		{"a primary is away", func(k *fakeAuditor, _ *record.Trial) { k.broken = "lag shard-2" }, scenarios.OracleLag, 0, "connection refused"},
		{"a worker is away", func(k *fakeAuditor, _ *record.Trial) { k.broken = "worker-2" }, scenarios.OracleLost, 0, "connection refused"},
		{"the shop is away", func(k *fakeAuditor, _ *record.Trial) { k.broken = spec.HomePath }, scenarios.OracleMisplaced, 0, "connection refused"},
		{"the mail provider is away", func(k *fakeAuditor, _ *record.Trial) { k.broken = spec.EffectsPath }, scenarios.OracleDuplicated, 0, "connection refused"},
		{"its memory was full", func(k *fakeAuditor, _ *record.Trial) { k.full = true }, scenarios.OracleLost, 0, "memory was full"},
		{"a replica without samples", func(k *fakeAuditor, _ *record.Trial) { k.lag["shard-1"] = nil }, scenarios.OracleLag, 0, "replica-1 has no sample"},
		{"no order", func(_ *fakeAuditor, trial *record.Trial) { delete(trial.Measurement.Created, "orders") }, scenarios.OracleLost, 0, "no row of orders was created"},
		{"nothing created", func(_ *fakeAuditor, trial *record.Trial) { trial.Measurement.Created = nil }, scenarios.OracleMisplaced, 0, "nothing was created"},
		{"interrupted", func(_ *fakeAuditor, trial *record.Trial) { trial.Measurement.Interrupted = true }, scenarios.OracleMisplaced, 0, "interrupted"},
		{"no worker could be read", func(_ *fakeAuditor, trial *record.Trial) { trial.Machines = nil }, scenarios.OracleReordered, 0, "no worker"},
		{"the driver found nothing", func(_ *fakeAuditor, trial *record.Trial) { trial.Measurement.Oracles = nil }, scenarios.OracleStale, 0, "nothing to check"},
	} {
		t.Run(test.name, func(t *testing.T) {
			trial, _ := auditing(t, t.Context(), everything(t), test.prepare)
			var violations int64
			var unknown []string
			for _, o := range of(trial, test.oracle) {
				violations += o.Violations
				if o.Unknown != "" {
					unknown = append(unknown, o.Unknown)
				}
			}
			if violations != test.violations || (len(unknown) > 0) != (test.unknown != "") || !strings.Contains(strings.Join(unknown, "; "), test.unknown) {
				t.Errorf("%d violations, unknown %q; want %d and %q", violations, unknown, test.violations, test.unknown)
			}
		})
	}
}

// What a queue that is not drained still holds is unknown, and not lost.
func TestUndrainedQueueIsUnknown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	trial, _ := auditing(t, ctx, everything(t), func(k *fakeAuditor, _ *record.Trial) {
		k.backlog = []spec.Backlog{{Pending: 1}}
		k.sent = nil
	})
	for _, name := range []scenarios.OracleName{scenarios.OracleLost, scenarios.OracleDuplicated} {
		if o := of(trial, name); len(o) != 1 || o[0].Violations != 0 || o[0].Checked != 0 || !strings.Contains(o[0].Unknown, "the queue was not drained") {
			t.Errorf("%+v", o)
		}
	}
}

// Which rows have an effect the facts say of the process that sees the effects: the
// harness knows no table by its name.
func TestEffectsAreOfTheTableThatTheFactsName(t *testing.T) {
	topology := everything(t)
	at := slices.IndexFunc(topology.Machines, func(m scenarios.Machine) bool { return m.Name == "mail" })
	topology.Machines[at].Processes[0].Facts.EffectsOf = "bookings"
	trial, _ := auditing(t, t.Context(), topology, func(k *fakeAuditor, trial *record.Trial) {
		trial.Measurement.Created = map[string][]record.Created{"bookings": {{ID: 1}, {ID: 2}, {ID: 3}}, "posts": {{ID: 4}}}
		k.sent = map[int64]int{1: 1, 3: 2}
		k.rows = map[string][]int64{"shard-1 bookings": {1, 2}, "shard-2 bookings": {3}}
	})
	lost, duplicated := of(trial, scenarios.OracleLost), of(trial, scenarios.OracleDuplicated)
	if len(lost) != 1 || lost[0].Scope != "bookings" || lost[0].Checked != 3 || lost[0].Violations != 1 || lost[0].Example != "row 2 of bookings was acknowledged, and its mail was never sent" {
		t.Errorf("%+v", lost)
	}
	if len(duplicated) != 1 || duplicated[0].Checked != 2 || duplicated[0].Violations != 1 || duplicated[0].Example != "the mail of row 3 of bookings was sent 2 times" {
		t.Errorf("%+v", duplicated)
	}

	topology.Machines = slices.Delete(topology.Machines, at, at+1)
	trial, _ = auditing(t, t.Context(), topology, nil)
	for _, name := range []scenarios.OracleName{scenarios.OracleLost, scenarios.OracleDuplicated} {
		if o := of(trial, name); len(o) != 1 || o[0].Checked != 0 || !strings.Contains(o[0].Unknown, "there is no mail provider") {
			t.Errorf("%s without a mail provider: %+v", name, o)
		}
	}
}

// Without a queue an unsent mail may still be sent later: nobody can tell.
func TestMailsWithoutAQueue(t *testing.T) {
	topology := everything(t)
	topology.Machines = slices.DeleteFunc(topology.Machines, func(m scenarios.Machine) bool { return m.Group == "worker" })
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	trial, _ := auditing(t, ctx, topology, nil)
	if o := of(trial, scenarios.OracleLost); len(o) != 1 || o[0].Checked != 40 || o[0].Violations != 0 || o[0].Unknown != "" {
		t.Errorf("%+v", o)
	}
	trial, _ = auditing(t, ctx, topology, func(k *fakeAuditor, _ *record.Trial) { k.sent[1001] = 0 })
	if o := of(trial, scenarios.OracleLost); len(o) != 1 || o[0].Checked != 0 || !strings.Contains(o[0].Unknown, "no queue tells") {
		t.Errorf("%+v", o)
	}
}

func TestAuditOfAPlainSystem(t *testing.T) {
	topology := scenarios.Topology{Machines: []scenarios.Machine{{Name: "server", Processes: []scenarios.Process{
		processOf(t, "postgres", nil), processOf(t, "shop", nil),
	}}}}
	trial, _ := auditing(t, t.Context(), topology, func(_ *fakeAuditor, trial *record.Trial) {
		trial.Machines, trial.Measurement.Oracles = nil, nil
	})
	if len(trial.Oracles) != len(scenarios.Oracles()) {
		t.Errorf("%d findings", len(trial.Oracles))
	}
	for _, o := range trial.Oracles {
		if o.Checked != 0 || !strings.HasPrefix(o.Unknown, "not measured: ") {
			t.Errorf("%+v: there is nothing to check", o)
		}
	}
}

func TestJobIsGivenWhatOraclesWant(t *testing.T) {
	slo, err := scenarios.ParseSLO("p99<250ms,stale<1%,over_limit=0")
	if err != nil {
		t.Fatal(err)
	}
	plain := scenarios.Topology{Machines: []scenarios.Machine{{Name: "a"}}}
	c := &Conductor{Scenario: &scenarios.Scenario{
		SLO: slo, Before: plain, After: everything(t), Oracles: []scenarios.OracleName{scenarios.OracleLost, scenarios.OracleStale},
	}}
	job := func(kind record.TrialKind, v scenarios.Variant) drive.Job {
		return c.job(sliceOf{kind: kind, variant: v, rps: 1, duration: time.Second}, &fakeAuditor{})
	}
	slice := job(record.KindSlice, scenarios.After)
	if !slices.Equal(slice.Oracles, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleLost, scenarios.OracleOverLimit}) {
		t.Errorf("a slice asks for %q", slice.Oracles)
	}
	if want := (drive.RateLimit{Limit: 100, Window: time.Minute, BehindCache: true}); slice.RateLimit != want || !slices.Equal(slice.CountHeaders, []string{"X-Cache"}) {
		t.Errorf("rate limit %+v, headers %q", slice.RateLimit, slice.CountHeaders)
	}
	if slice.BaseURL != "http://" || slice.Entries["us"] != "http://us" || len(slice.Entries) != 2 {
		t.Errorf("entries %q and %q", slice.BaseURL, slice.Entries)
	}
	if probe := job(record.KindProbe, scenarios.After); !slices.Equal(probe.Oracles, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleOverLimit}) {
		t.Errorf("a probe asks for %q", probe.Oracles)
	}
	if warm := job("", scenarios.After); warm.Oracles != nil {
		t.Errorf("a warm-up asks for %q", warm.Oracles)
	}
	// Where nothing limits, the driver is not asked; the audit says so.
	if before := job(record.KindSlice, scenarios.Before); slices.Contains(before.Oracles, scenarios.OracleOverLimit) || before.CountHeaders != nil || before.Entries != nil {
		t.Errorf("a slice of the plain system asks for %q", before.Oracles)
	}
}

// Slices and soaks carry all findings, in the trials file and in the order of reports.
// Other probes ask only the SLO's oracles.
func TestRunRecordsOracles(t *testing.T) {
	stage := &fakeStage{
		capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500},
		oracles:  []scenarios.OracleName{scenarios.OracleLag, scenarios.OracleStale},
	}
	log, err := conduct(t, t.Context(), stage)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, trial := range log.Trials {
		if trial.Kind == record.KindProbe && trial.RateName != record.RateSoak {
			if len(trial.Oracles) > 0 {
				t.Errorf("probe %d has findings: %+v", trial.Order, trial.Oracles)
			}
			continue
		}
		found++
		if o := trial.Oracles; len(o) != 2 || o[0].Name != scenarios.OracleStale || o[0].Checked == 0 || o[1].Unknown != "not measured: there is no replica" {
			t.Errorf("slice %d: %+v", trial.Order, o)
		}
		if trial.Measurement.Created != nil {
			t.Errorf("slice %d stores what was created", trial.Order)
		}
	}
	if found != 5*3*2+2 { // the slices, and both soaks
		t.Errorf("%d slices", found)
	}
}
