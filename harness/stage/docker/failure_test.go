// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/observe"
	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// A replica that dies under load is taken out; until then its reads are tried
// elsewhere, and nobody's read fails. When it comes back it is read again.
func TestKilledReplicaCostsNoReads(t *testing.T) {
	e := openExperiment(t, "killed-replica")
	sys := e.start(t, scenarios.After)
	shops := []string{"app-1", "app-2"}
	haveHealthy := func(replicas float64) func() bool {
		return func() bool {
			return !slices.ContainsFunc(shops, func(shop string) bool { return counts(t, sys, shop)["replicas_healthy"] != replicas })
		}
	}
	eventually(t, "both shops read from three replicas", 10*time.Second, haveHealthy(3))

	load := e.drive(t, sys, 150, 8*time.Second)
	load.reach(t, 450)
	kill(t, sys, "replica-2")
	eventually(t, "both shops have taken the dead replica out", 5*time.Second, haveHealthy(2))
	outBy := load.requests(t)
	m := load.wait(t)
	var again float64
	for _, shop := range shops {
		again += counts(t, sys, shop)["replica_failures_total"]
	}
	t.Logf("%d of %d reads failed, %v were tried again elsewhere; %v had come when both shops knew", m.Failed, m.Sent, again, outBy)
	if m.Failed > 0 {
		t.Errorf("%d of %d reads failed: %v", m.Failed, m.Sent, m.Errors)
	}
	if least := outBy + 150; float64(m.Sent) < least {
		t.Errorf("%d reads were sent, want at least %v: too few came after the replica was out", m.Sent, least)
	}

	revive(t, sys, "replica-2")
	eventually(t, "both shops read from three replicas again", 15*time.Second, haveHealthy(3))
	before := counts(t, sys, "replica-2")["statements_total"]
	if m := e.drive(t, sys, 150, time.Second).wait(t); m.Failed > 0 {
		t.Errorf("%d of %d reads failed after it came back: %v", m.Failed, m.Sent, m.Errors)
	}
	if after := counts(t, sys, "replica-2")["statements_total"]; after <= before {
		t.Errorf("the replica that came back has answered %v statements, before the load %v", after, before)
	}
}

// Jobs that a dead worker had in hand come again to the next one: each order's
// mail is sent, and once. The first worker dies at once, with mails that the
// provider has not sent. The second hangs first: the provider sends its mails,
// and nobody says that they are done.
func TestKilledWorkerLosesNoJob(t *testing.T) {
	e := openExperiment(t, "killed-worker")
	sys := e.start(t, scenarios.After)
	load := e.drive(t, sys, 100, 5*time.Second)
	load.reach(t, 150)
	handsFull(t, sys)
	kill(t, sys, "worker")
	revive(t, sys, "worker")
	handsFull(t, sys)
	freeze(t, sys, "worker")
	sent := sentUpTo(t, sys, 1000)
	eventually(t, "the provider has sent mails of the hanging worker", 10*time.Second, func() bool {
		return sentUpTo(t, sys, 1000) >= sent+unsaid
	})
	kill(t, sys, "worker")
	revive(t, sys, "worker")

	m := load.wait(t)
	if m.Failed > 0 || m.Succeeded == 0 {
		t.Errorf("%d of %d checkouts failed while the worker was away: %v", m.Failed, m.Sent, m.Errors)
	}
	orders := m.Created["orders"]
	if int64(len(orders)) != m.Succeeded {
		t.Fatalf("the driver kept %d of %d acknowledged orders", len(orders), m.Succeeded)
	}
	eventually(t, "the queue is drained", time.Minute, func() bool { return backlog(t, sys) == spec.Backlog{} })
	c := counts(t, sys, "worker")
	t.Logf("%d orders; the third worker did %v jobs; %v mails came again, %v of them had been sent already",
		len(orders), c["applied_total"], c["mail_redelivered_total"], c["mail_skipped_total"])
	if c["mail_skipped_total"] < unsaid {
		t.Errorf("%v mails that came again were skipped as sent already, want %d at least", c["mail_skipped_total"], unsaid)
	}
	lost, duplicated := oracle.Effects("orders", orders, mailed(t, sys, idsOf(orders)))
	for _, o := range []record.Oracle{lost, duplicated} {
		if o.Violations > 0 || o.Checked != m.Succeeded {
			t.Errorf("%s: %d of %d orders, want 0 of %d: %s %s", o.Name, o.Violations, o.Checked, m.Succeeded, o.Unknown, o.Example)
		}
	}
}

// unsaid is how many mails are sent at least whose worker does not live to say
// so: of the 32 in its hands most are under way.
const unsaid = 10

// handsFull waits until the worker has more to do than it can take.
func handsFull(t *testing.T, sys *System) {
	t.Helper()
	eventually(t, "the worker has its hands full", 10*time.Second, func() bool {
		left := backlog(t, sys)
		return left.AckPending > 0 && left.Pending > 0
	})
}

func backlog(t *testing.T, sys *System) (left spec.Backlog) {
	t.Helper()
	askMachine(t, sys, "worker", spec.BacklogPath, nil, &left)
	return left
}

// mailed is how often the provider sent each order's mail.
func mailed(t *testing.T, sys *System, orders []int64) map[int64]int64 {
	t.Helper()
	var answer spec.Effects
	askMachine(t, sys, "mail", spec.EffectsPath, spec.EffectsQuestion{IDs: orders}, &answer)
	seen := map[int64]int64{}
	for id, times := range answer.Seen {
		seen[id] = int64(times)
	}
	return seen
}

// sentUpTo is how many mails of the orders up to an id were sent: one database
// counts its orders from 1.
func sentUpTo(t *testing.T, sys *System, last int64) (sent int64) {
	t.Helper()
	var orders []int64
	for id := int64(1); id <= last; id++ {
		orders = append(orders, id)
	}
	for _, times := range mailed(t, sys, orders) {
		sent += times
	}
	return sent
}

func idsOf(created []record.Created) (ids []int64) {
	for _, c := range created {
		ids = append(ids, c.ID)
	}
	return ids
}

// askMachine asks the process that is named as its machine; a nil body is a GET.
func askMachine(t *testing.T, sys *System, machine, path string, body, into any) {
	t.Helper()
	var question json.RawMessage
	if body != nil {
		var err error
		if question, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := observe.Ask(t.Context(), target(t, sys, machine), machine, path, question)
	if err == nil {
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Replicas stand still for a second. Where sessions read their own writes from
// replicas, they see the past, and the oracle says so. Where they read them from the
// primary, the oracle checks as many reads and finds nothing.
func TestBlindReadsAreCaught(t *testing.T) {
	e := openExperiment(t, "blind-reads")
	for _, v := range scenarios.Variants() {
		sys := e.start(t, v)
		load := e.drive(t, sys, 150, 4*time.Second)
		load.reach(t, 100)
		for _, replica := range []string{"replica-1", "replica-2"} {
			superuser(t, sys, replica, "SELECT pg_wal_replay_pause()")
		}
		load.reach(t, load.requests(t)+150)
		for _, replica := range []string{"replica-1", "replica-2"} {
			behind := superuser(t, sys, replica, "SELECT pg_get_wal_replay_pause_state(), pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
			if behind != "paused|t" {
				t.Fatalf("%s: %s was not behind: %s", v, replica, behind)
			}
			superuser(t, sys, replica, "SELECT pg_wal_replay_resume()")
		}
		m := load.wait(t)
		if m.Failed > 0 {
			t.Errorf("%s: %d of %d requests failed: %v", v, m.Failed, m.Sent, m.Errors)
		}
		if reads := counts(t, sys, "app")["replica_reads_total"]; reads == 0 {
			t.Errorf("%s: no replica was read", v)
		}
		own := slices.IndexFunc(m.Oracles, func(o record.Oracle) bool { return o.Name == scenarios.OracleReadYourWrites })
		if own < 0 {
			t.Fatalf("%s: the driver checked %+v", v, m.Oracles)
		}
		found := m.Oracles[own]
		t.Logf("%s: %d violations in %d checks %s", v, found.Violations, found.Checked, found.Example)
		if found.Checked == 0 || (found.Violations > 0) != (v == scenarios.Before) {
			t.Errorf("%s: %+v", v, found)
		}
		if err := sys.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// superuser runs a statement as the database's owner, over its socket.
func superuser(t *testing.T, sys *System, machine, statement string) string {
	t.Helper()
	return strings.TrimSpace(inside(t, sys, machine, fmt.Sprintf(`psql -X -q -h %s/postgres -U postgres -d app -tA -c "%s"`, spec.DataDir, statement)))
}
