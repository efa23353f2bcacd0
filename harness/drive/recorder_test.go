// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"slices"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/record"
)

// testRecorder records a ten-second slice after a warm-up of one second.
func testRecorder(t *testing.T) *recorder {
	t.Helper()
	job := testJob()
	job.Warmup, job.Duration, job.CountHeaders = time.Second, 10*time.Second, []string{"X-Cache"}
	r := newRecorder(&job, 2)
	r.begin(time.Now())
	return r
}

// finished is an outcome, times being counted from the epoch.
func finished(r *recorder, intended, dispatched, sent, done time.Duration, class string) *outcome {
	return &outcome{
		Result:   vegeta.Result{Timestamp: r.epoch.Add(sent), Latency: done - sent, Error: class, Code: 200, BytesIn: 10, BytesOut: 1},
		intended: intended, dispatched: dispatched,
	}
}

func checked(t *testing.T, r *recorder) record.Measurement {
	t.Helper()
	m := r.measurement([]string{"a", "b"}, []string{"X-Cache"})
	if err := m.Check(); err != nil {
		t.Errorf("the measurement contradicts itself: %v", err)
	}
	return m
}

// near compares to a histogram's resolution.
func near(got, want time.Duration) bool {
	return got >= want-want/1000-time.Microsecond && got <= want+want/500+time.Microsecond
}

func TestBothLatenciesAndLags(t *testing.T) {
	r := testRecorder(t)
	ms := time.Millisecond
	// Due at 2.000 s, taken up 1 ms late, sent after a wait of 49 ms for a
	// connection, answered 200 ms later.
	r.done(finished(r, 2000*ms, 2001*ms, 2050*ms, 2250*ms, ""))
	m := checked(t, r)
	for name, pair := range map[string][2]time.Duration{
		"response":         {m.Response.Max(), 250 * ms},
		"response_success": {m.ResponseSuccess.Max(), 250 * ms},
		"service":          {m.Service.Max(), 200 * ms},
		"send_lag":         {m.SendLag.Max(), 50 * ms},
		"driver_lag":       {m.DriverLag.Max(), 1 * ms},
		"endpoint":         {m.Endpoints[0].Response.Max(), 250 * ms},
		"timeline":         {m.Timeline[1].Response.Max(), 250 * ms},
	} {
		if !near(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if m.BytesIn != 10 || m.BytesOut != 1 || m.Status["200"] != 1 || m.AchievedRPS != 0.1 {
		t.Errorf("%+v", m)
	}
}

func TestWarmupIsNotRecorded(t *testing.T) {
	r := testRecorder(t)
	for _, intended := range []time.Duration{0, 999 * time.Millisecond, time.Second, 10999 * time.Millisecond, 11 * time.Second} {
		r.done(finished(r, intended, intended, intended, intended+time.Millisecond, ""))
		r.drop(intended)
		r.header(intended, 0, []byte("hit"))
	}
	if m := checked(t, r); m.Sent != 2 || m.Unsent != 2 || m.Planned != 4 || m.Counts["X-Cache: hit"] != 2 {
		t.Errorf("recorded %d sent, %d unsent, counts %v; two were within the slice", m.Sent, m.Unsent, m.Counts)
	}
}

func TestFailuresAreKeptApart(t *testing.T) {
	r := testRecorder(t)
	for i := range 10 {
		at := time.Duration(2+i%3) * time.Second
		r.done(finished(r, at, at, at, at+time.Millisecond, classStatus5xx))
	}
	at := 2 * time.Second
	r.done(finished(r, at, at, at, at+time.Second, ""))
	m := checked(t, r)
	if m.Failed != 10 || m.Errors[classStatus5xx] != 10 || m.Succeeded != 1 {
		t.Errorf("%d failed, %v, %d succeeded", m.Failed, m.Errors, m.Succeeded)
	}
	if got := m.ResponseSuccess.Quantile(0.5); !near(got, time.Second) {
		t.Errorf("the median success took %v: the fast errors flatter it", got)
	}
	if m.Timeline[1].Failed != 4 || m.Timeline[1].Sent != 5 {
		t.Errorf("second 1: %+v", m.Timeline[1])
	}
}

func TestBeyondTheHistogramIsClipped(t *testing.T) {
	r := testRecorder(t)
	at := 2 * time.Second
	r.done(finished(r, at, at, at, at+time.Hour, ""))
	r.done(finished(r, at, at, at, at+time.Second, classTimeout))
	if m := checked(t, r); m.Clipped != 1 || m.Sent != 2 || m.Response.Count() != 1 || m.Succeeded != 1 {
		t.Errorf("%d clipped of %d sent, %d recorded", m.Clipped, m.Sent, m.Response.Count())
	}
}

func TestTimelineInFlight(t *testing.T) {
	r := testRecorder(t)
	r.inFlight(500*time.Millisecond, 98, 99) // warm-up
	r.inFlight(1500*time.Millisecond, 6, 7)
	r.inFlight(4500*time.Millisecond, 7, 6) // seconds 0 to 2 have ended with 7 in flight
	r.inFlight(10500*time.Millisecond, 6, 5)
	r.inFlight(12*time.Second, 5, 4)
	m := checked(t, r)
	var got []int64
	for _, second := range m.Timeline {
		got = append(got, second.InFlight)
	}
	if want := []int64{7, 7, 7, 6, 6, 6, 6, 6, 6, 5}; !slices.Equal(got, want) || m.MaxInFlight != 7 {
		t.Errorf("in flight at each second's end: %v, at most %d", got, m.MaxInFlight)
	}
}

func TestLongRunsHaveACoarserTimeline(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		500 * time.Millisecond:            time.Second,
		10 * time.Minute:                  time.Second,
		10*time.Minute + time.Millisecond: 2 * time.Second,
		time.Hour:                         6 * time.Second,
		24 * time.Hour:                    144 * time.Second,
	} {
		if got := timelineStep(window); got != want {
			t.Errorf("a run of %v has entries of %v, want %v", window, got, want)
		}
	}
}

func TestCountedValuesAreBounded(t *testing.T) {
	r := testRecorder(t)
	for i := range 10 * maxCounts {
		r.header(2*time.Second, 0, []byte{byte('a' + i%26), byte('a' + i/26)})
	}
	m := checked(t, r)
	if len(m.Counts) != maxCounts+1 || m.Counts["X-Cache: "+otherValues] != 9*maxCounts {
		t.Errorf("%d values counted, others %d", len(m.Counts), m.Counts["X-Cache: "+otherValues])
	}
}

// Answers are counted by the time of their end. Answers of the warm-up count. Failures and
// answers after the slice do not.
func TestAnswersByWhenTheyCame(t *testing.T) {
	a, b := testRecorder(t), testRecorder(t)
	b.epoch = a.epoch
	answer := func(r *recorder, intended, done time.Duration, class string) {
		r.done(finished(r, intended, intended, intended, done, class))
	}
	ms := time.Millisecond
	answer(a, 0, 50*ms, "")
	answer(a, 900*ms, 5050*ms, "")
	answer(b, 2000*ms, 5099*ms, "")
	answer(b, 2000*ms, 5100*ms, classStatus5xx)
	answer(b, 10900*ms, 10999*ms, "")
	answer(b, 10900*ms, 11001*ms, "")
	a.merge(b)
	m := checked(t, a)
	want := make([]int64, 110)
	want[0], want[50], want[109] = 1, 2, 1
	if m.Answers.StepS != 0.1 || !slices.Equal(m.Answers.Counts, want) || m.Answered != 3 {
		t.Errorf("%+v, %d within the slice", m.Answers, m.Answered)
	}
	a.cut(5250 * ms)
	if m = checked(t, a); len(m.Answers.Counts) != 53 {
		t.Errorf("cut at 5.25 s there are %d tenths of a second", len(m.Answers.Counts))
	}
}

// One loop had sent all it was asked for when another still did.
func TestAnswersOfALoopThatWasCutEarlier(t *testing.T) {
	a, b := testRecorder(t), testRecorder(t)
	b.epoch = a.epoch
	at := 4 * time.Second
	a.cut(3 * time.Second)
	b.done(finished(b, at, at, at, at+time.Millisecond, ""))
	b.cut(5 * time.Second)
	a.merge(b)
	if m := checked(t, a); len(m.Answers.Counts) != 50 || m.Answers.Counts[40] != 1 || m.Answered != 1 {
		t.Errorf("%+v, %d within the slice", m.Answers, m.Answered)
	}
}

func TestLongRunsHaveCoarserAnswers(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{
		time.Second:                     100 * time.Millisecond,
		2 * time.Minute:                 100 * time.Millisecond,
		2*time.Minute + time.Nanosecond: 200 * time.Millisecond,
		time.Hour:                       3 * time.Second,
	} {
		if got := inSteps(window, finestAnswers, maxAnswers); got != want {
			t.Errorf("answers of %v are counted in steps of %v, want %v", window, got, want)
		}
	}
}

func TestMergeAndCut(t *testing.T) {
	a, b := testRecorder(t), testRecorder(t)
	b.epoch = a.epoch
	for i, r := range []*recorder{a, b, b} {
		at := time.Duration(2+i) * time.Second
		r.done(finished(r, at, at, at, at+time.Millisecond, map[bool]string{true: classReset}[i == 2]))
		r.drop(at)
		r.header(at, 0, []byte("hit"))
		r.inFlight(at, i, i+1)
	}
	a.merge(b)
	a.cut(5 * time.Second)
	m := checked(t, a)
	if m.Planned != 6 || m.Sent != 3 || m.Succeeded != 2 || m.Errors[classReset] != 1 || m.Counts["X-Cache: hit"] != 3 || m.Response.Count() != 3 {
		t.Errorf("%+v", m)
	}
	if len(m.Timeline) != 4 || m.DurationS != 4 {
		t.Errorf("cut at 4 s, the slice has %d seconds of timeline and lasts %v s", len(m.Timeline), m.DurationS)
	}
}

// Recording allocates nothing once its buckets are there: memory stays flat
// however long a run is.
func TestRecordingAllocatesNothing(t *testing.T) {
	r := testRecorder(t)
	o := finished(r, 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second+time.Millisecond, "")
	o.Code = 404
	o.Error = classStatus4xx
	once := func() {
		r.inFlight(2*time.Second, 1, 2)
		r.done(o)
		r.header(2*time.Second, 0, []byte("hit"))
	}
	once()
	if allocs := testing.AllocsPerRun(1000, once); allocs > 0 {
		t.Errorf("%v allocations a request", allocs)
	}
}
