// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// busyStage drives until its machine was asked, or for as long as the test may
// wait.
type busyStage struct {
	fakeStage
	asked chan struct{}
}

func (s *busyStage) Exec(ctx context.Context, stdin []byte, _ ...string) ([]byte, error) {
	return execJob(ctx, stdin, s.Drive)
}

func (s *busyStage) Drive(ctx context.Context, _ drive.Job) (record.Measurement, error) {
	select {
	case <-s.asked:
	case <-time.After(10 * time.Second):
		s.t.Error("nobody asked the machine while it was driven")
	case <-ctx.Done():
	}
	return record.Measurement{Planned: 1}, ctx.Err()
}

func TestMachinesAreReadWhileTheyAreDriven(t *testing.T) {
	busy := &busyStage{fakeStage: fakeStage{t: t}, asked: make(chan struct{})}
	once := sync.OnceFunc(func() { close(busy.asked) })
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { once() }))
	defer agent.Close()
	machines := []stage.Machine{{Name: "server", Agent: observe.Target{Machine: "server", AgentURL: agent.URL, Nonce: "nonce"}}}
	m, middle, _, err := (&Conductor{Stage: busy}).driveWatched(t.Context(), sliceOf{}, drive.Job{Duration: time.Millisecond}, machines)
	if err != nil || m.Planned != 1 {
		t.Errorf("the measurement is lost: %+v, %v", m, err)
	}
	if middle != nil {
		t.Errorf("%v from an agent without the nonce", middle)
	}
}

// A job that is over before its middle is not waited for.
func TestNoReadingIsWaitedFor(t *testing.T) {
	busy := &busyStage{fakeStage: fakeStage{t: t}, asked: make(chan struct{})}
	close(busy.asked)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, middle, _, err := (&Conductor{Stage: busy}).driveWatched(ctx, sliceOf{}, drive.Job{Duration: time.Hour}, nil)
	if err != nil || middle != nil {
		t.Errorf("%v, %v", middle, err)
	}
}

// A counted trial whose queue does not drain is invalid: some of its work would
// be counted for the next endpoint.
func TestCountOfAQueueThatDoesNotDrain(t *testing.T) {
	s := phase3(t)
	s.After = scenarios.Topology{Machines: []scenarios.Machine{{Name: "queue", Processes: []scenarios.Process{processOf(t, "nats", nil)}}}}
	for pending, want := range map[float64]int{0: 0, 3: 1} {
		agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(spec.NonceHeader, "n")
			if r.URL.Path == spec.WorkPath {
				_, _ = w.Write([]byte("[]"))
				return
			}
			_ = json.NewEncoder(w).Encode(spec.Counters{Machine: "queue", MonotonicNano: time.Now().UnixNano(), Processes: []spec.ProcessCounters{
				{Name: "nats", Kind: "nats", Counts: map[string]float64{"pending": pending, "ack_pending": 0, "published_total": 3}},
			}})
		}))
		defer agent.Close()
		system := &standing{machines: []stage.Machine{{Name: "queue", Agent: observe.Target{Machine: "queue", AgentURL: agent.URL, Nonce: "n"}}}}
		writer := &kept{}
		c := &Conductor{Scenario: s, Writer: writer, Progress: silent{}, drain: 50 * time.Millisecond}
		err := c.countTrial(t.Context(), scenarios.After, system, CountPlan{Run: 1}, "POST /api/checkout", func() (record.Measurement, error) {
			return record.Measurement{DurationS: 1}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := writer.trials[0].Invalid; len(got) != want {
			t.Errorf("%v pending: invalid for %q", pending, got)
		}
	}
}

// A queue whose counters could not be asked for has no depth, and is not empty.
func TestDepthThatIsNotKnown(t *testing.T) {
	topology := scenarios.Topology{Machines: []scenarios.Machine{{Name: "queue", Processes: []scenarios.Process{processOf(t, "nats", nil)}}}}
	reading := func(counts map[string]float64) []spec.Counters {
		return []spec.Counters{{Machine: "queue", Processes: []spec.ProcessCounters{{Name: "nats", Kind: "nats", Counts: counts}}}}
	}
	for name, test := range map[string]struct {
		counts map[string]float64
		depths int
		empty  bool
	}{
		"not known": {nil, 0, false},
		"empty":     {map[string]float64{"pending": 0, "ack_pending": 0, "published_total": 3}, 1, true},
		"a job":     {map[string]float64{"pending": 1, "ack_pending": 0, "published_total": 3}, 1, false},
	} {
		counters := reading(test.counts)
		if queues := addDepths(nil, topology, counters); len(queues) != test.depths || areEmpty(topology, counters) != test.empty {
			t.Errorf("%s: depths %+v, empty %v", name, queues, areEmpty(topology, counters))
		}
	}
}

// metered is a system of which somebody else can tell more than its machines.
type metered struct {
	standing
	counted map[string]spec.Counters
}

func (m *metered) Meter(context.Context) map[string]spec.Counters { return m.counted }

// What a stage can tell of a machine beside its agent is a part of the reading.
func TestReadingsAreSupplemented(t *testing.T) {
	var agents []stage.Machine
	for _, name := range []string{"web", "db"} {
		agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(spec.NonceHeader, "n")
			_ = json.NewEncoder(w).Encode(spec.Counters{Machine: name, CPUSecondsTotal: maybe.Of(1), Unread: []string{spec.NetworkOutside}})
		}))
		defer agent.Close()
		agents = append(agents, stage.Machine{Name: name, Agent: observe.Target{Machine: name, AgentURL: agent.URL, Nonce: "n"}})
	}
	system := &metered{standing: standing{machines: agents}, counted: map[string]spec.Counters{
		"db": {CPUSecondsTotal: maybe.Of(2), NetRxBytesTotal: maybe.Of(3), NetTxBytesTotal: maybe.Of(4)},
	}}
	got, err := readAll(t.Context(), system)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	web, db := got[0], got[1]
	if web.NetRxBytesTotal.Known() || len(web.Unread) != 1 || db.NetRxBytesTotal != maybe.Of(3) || db.NetTxBytesTotal != maybe.Of(4) || db.CPUSecondsTotal != maybe.Of(1) || len(db.Unread) != 0 {
		t.Errorf("web %+v, db %+v", web, db)
	}
	if got, err = readAll(t.Context(), &system.standing); err != nil || got[1].NetRxBytesTotal.Known() {
		t.Errorf("of a system that tells no more: %+v, %v", got, err)
	}
}
