// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"maps"
	"strconv"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/record"
)

// The classes of failure, as Measurement.Errors counts them.
const (
	classTimeout     = "timeout"
	classRefused     = "refused"
	classReset       = "reset" // the connection ended before the response did
	classUnreachable = "unreachable"
	classDNS         = "dns"
	classTLS         = "tls"
	classStatus4xx   = "status_4xx"
	classStatus5xx   = "status_5xx"
	classStatusOther = "status_other" // neither success, 4xx nor 5xx
	classWrongBody   = "wrong_body"
	classBodyTooBig  = "body_too_large"
	classInterrupted = "interrupted"  // still in flight when the run was called off
	classRedirect    = "bad_redirect" // a redirect that can't be followed
	classNoPort      = "no_local_port"
	classNoFile      = "no_open_file" // as many files are open as this process may have
	classProtocol    = "protocol"     // an answer that is none, or not in the protocol asked for
	classOther       = "other"
)

// statusClass is the class of a complete response, "" for success.
func statusClass(code int) string {
	switch {
	case code >= 200 && code < 400:
		return ""
	case code >= 400 && code < 500:
		return classStatus4xx
	case code >= 500 && code < 600:
		return classStatus5xx
	}
	return classStatusOther
}

// outcome is one finished request. In its vegeta.Result, Seq is the number in the
// schedule, Timestamp the actual send, Latency the service time and Error the class of
// failure.
type outcome struct {
	vegeta.Result
	intended   time.Duration // since the epoch
	dispatched time.Duration // since the epoch: when the driver took up the request
	name       int           // index into mix.Names
	text       string        // of a failure, in words; "" when its class has words already
}

// Limits of what a recorder keeps.
const (
	maxTimeline = 600 // entries; longer runs get coarser ones
	maxAnswers  = 1200
	maxCounts   = 64 // values of a counted header
	otherValues = "other values"
	statusCodes = 1000
)

// finestAnswers is the resolution of the times of answers.
const finestAnswers = 100 * time.Millisecond

// recorder adds up the outcomes of one loop, and only that loop uses it. Its memory does
// not grow with the number of requests.
type recorder struct {
	epoch      time.Time
	from, till time.Duration // the window of intended sends that is recorded
	lagLimit   time.Duration
	perEntry   time.Duration // of the timeline
	perAnswers time.Duration // of answers

	planned, sent, succeeded, unsent, clipped, late int64
	bytesIn, bytesOut                               int64
	maxInFlight                                     int64
	answered, retried, waited                       int64
	connections                                     record.Connections
	errors                                          map[string]int64
	texts                                           map[string]string // of the first failure of each class
	status                                          [statusCodes]int64
	counts                                          []map[string]*int64 // by counted header, by value

	response, success, service, sendLag, driverLag *hdr.Histogram

	endpoints []endpointRecord
	timeline  []record.Second
	answers   []int64 // correct ones, by when they came since the epoch
	ended     int     // entries of the timeline whose InFlight is known
}

type endpointRecord struct {
	sent, succeeded, bytesIn int64
	response                 *hdr.Histogram
}

// newRecorder returns a recorder of the job without its warm-up. begin starts it.
func newRecorder(job *Job, endpoints int) *recorder {
	from, till := job.Warmup, job.Warmup+job.Duration
	r := &recorder{
		from: from, till: till, lagLimit: job.lagLimit(),
		errors: map[string]int64{}, texts: map[string]string{},
		response: record.Dense(), success: record.Dense(), service: record.Dense(),
		sendLag: record.Dense(), driverLag: record.Dense(),
	}
	for range endpoints {
		r.endpoints = append(r.endpoints, endpointRecord{response: record.Dense()})
	}
	for range job.CountHeaders {
		r.counts = append(r.counts, map[string]*int64{})
	}
	r.perAnswers = inSteps(till, finestAnswers, maxAnswers)
	r.answers = make([]int64, stepsIn(till, r.perAnswers))
	r.perEntry = timelineStep(till - from)
	r.timeline = make([]record.Second, stepsIn(till-from, r.perEntry))
	for i := range r.timeline {
		r.timeline[i].Second = i * int(r.perEntry/time.Second)
	}
	return r
}

// begin starts the clock.
func (r *recorder) begin(epoch time.Time) { r.epoch = epoch }

// started says whether the clock runs.
func (r *recorder) started() bool { return !r.epoch.IsZero() }

// opened counts a new connection; open is the number of open connections.
func (r *recorder) opened(open int) {
	r.connections.Opened++
	r.stillOpen(open)
}

// stillOpen records the number of open connections, such as those of an earlier job.
func (r *recorder) stillOpen(open int) {
	r.connections.Most = max(r.connections.Most, int64(open))
}

// retry counts a second send.
func (r *recorder) retry(intended time.Duration) {
	if r.recorded(intended) {
		r.retried++
	}
}

// wait counts a request that waits for a connection while no further connection may be
// opened.
func (r *recorder) wait(intended time.Duration) {
	if r.recorded(intended) {
		r.waited++
	}
}

// told says whether a failure of that class has been put into words.
func (r *recorder) told(class string) bool {
	_, known := r.texts[class]
	return known
}

// timelineStep is one second for runs of up to an hour, and as many whole
// seconds as keep the timeline within its limit for longer ones.
func timelineStep(window time.Duration) time.Duration {
	return inSteps(window, time.Second, maxTimeline)
}

// inSteps is the smallest step, a multiple of finest, with which at most most steps fill
// the window.
func inSteps(window, finest time.Duration, most int) time.Duration {
	return max(time.Duration(stepsIn(window, finest*time.Duration(most))), 1) * finest
}

// stepsIn is how many steps a window has. The last step may be shorter.
func stepsIn(window, step time.Duration) int { return int((window + step - 1) / step) }

// recorded says whether a request with this intended time belongs to the slice.
func (r *recorder) recorded(intended time.Duration) bool {
	return intended >= r.from && intended < r.till
}

// drop counts a request that was due and never sent.
func (r *recorder) drop(intended time.Duration) {
	if r.recorded(intended) {
		r.planned++
		r.unsent++
	}
}

// inFlight records a change of the number of requests in flight, at now, from before to
// after. It must be called for every change.
func (r *recorder) inFlight(now time.Duration, before, after int) {
	if now < r.from {
		return
	}
	for r.ended < len(r.timeline) && r.from+time.Duration(r.ended+1)*r.perEntry <= now {
		r.timeline[r.ended].InFlight = int64(before)
		r.timeline[r.ended].Response.Compact() // late answers are still recorded
		r.ended++
	}
	r.maxInFlight = max(r.maxInFlight, int64(after))
}

// done counts a request that was sent.
func (r *recorder) done(o *outcome) {
	if ended := o.Timestamp.Add(o.Latency).Sub(r.epoch); o.Error == "" && ended >= 0 && ended < r.till {
		r.answers[ended/r.perAnswers]++
		if ended >= r.from {
			r.answered++ // whenever it was sent: throughput counts what comes out
		}
	}
	if !r.recorded(o.intended) {
		return
	}
	sendLag := o.Timestamp.Sub(r.epoch) - o.intended
	driverLag := o.dispatched - o.intended
	response := sendLag + o.Latency
	ok := o.Error == ""

	r.planned++
	r.sent++
	r.bytesIn += int64(o.BytesIn)
	r.bytesOut += int64(o.BytesOut)
	if o.Code > 0 && o.Code < statusCodes {
		r.status[o.Code]++
	}
	if driverLag > r.lagLimit {
		r.late++
	}
	recorded := enter(r.response, response)
	if !recorded {
		r.clipped++
	}
	enter(r.service, o.Latency)
	enter(r.sendLag, sendLag)
	enter(r.driverLag, driverLag)

	e := &r.endpoints[o.name]
	e.sent++
	e.bytesIn += int64(o.BytesIn)
	enter(e.response, response)

	second := &r.timeline[(o.intended-r.from)/r.perEntry]
	second.Sent++
	second.Response.Record(response)

	if ok {
		r.succeeded++
		e.succeeded++
		enter(r.success, response)
		return
	}
	second.Failed++
	r.errors[o.Error]++
	if o.text != "" {
		r.texts[o.Error] = o.text
	}
}

// enter records d, and reports false when it is beyond the histogram.
func enter(h *hdr.Histogram, d time.Duration) bool { return h.RecordValue(int64(max(d, 0))) == nil }

// header counts a value of counted header number i. intended is the time of the value's
// request.
func (r *recorder) header(intended time.Duration, i int, value []byte) {
	if !r.recorded(intended) {
		return
	}
	n, known := r.counts[i][string(value)]
	if !known {
		text := string(value)
		if len(r.counts[i]) >= maxCounts {
			text = otherValues
		}
		if n = r.counts[i][text]; n == nil {
			n = new(int64)
			r.counts[i][text] = n
		}
	}
	*n++
}

// cut ends the window early: the run was interrupted, or has sent all its requests.
func (r *recorder) cut(now time.Duration) {
	r.till = max(min(r.till, now), r.from)
	r.timeline = r.timeline[:stepsIn(r.till-r.from, r.perEntry)]
	r.answers = r.answers[:stepsIn(r.till, r.perAnswers)]
}

// merge adds another loop's record of the same window. Either loop may have cut the
// window.
func (r *recorder) merge(other *recorder) {
	r.planned += other.planned
	r.sent += other.sent
	r.succeeded += other.succeeded
	r.unsent += other.unsent
	r.clipped += other.clipped
	r.late += other.late
	r.answered += other.answered
	r.retried += other.retried
	r.waited += other.waited
	r.bytesIn += other.bytesIn
	r.bytesOut += other.bytesOut
	r.connections.Opened += other.connections.Opened
	r.connections.Most += other.connections.Most
	r.maxInFlight += other.maxInFlight
	for class, n := range other.errors {
		r.errors[class] += n
		if r.texts[class] == "" {
			r.texts[class] = other.texts[class]
		}
	}
	for code, n := range other.status {
		r.status[code] += n
	}
	for i, values := range other.counts {
		for value, n := range values {
			if r.counts[i][value] == nil {
				r.counts[i][value] = new(int64)
			}
			*r.counts[i][value] += *n
		}
	}
	r.response.Merge(other.response)
	r.success.Merge(other.success)
	r.service.Merge(other.service)
	r.sendLag.Merge(other.sendLag)
	r.driverLag.Merge(other.driverLag)
	for i := range r.endpoints {
		e, o := &r.endpoints[i], &other.endpoints[i]
		e.sent += o.sent
		e.succeeded += o.succeeded
		e.bytesIn += o.bytesIn
		e.response.Merge(o.response)
	}
	if r.till < other.till { // cut earlier
		r.till, r.timeline = other.till, r.timeline[:len(other.timeline)]
		r.answers = r.answers[:len(other.answers)]
	}
	for i, n := range other.answers {
		r.answers[i] += n
	}
	for i := range other.timeline {
		s, o := &r.timeline[i], &other.timeline[i]
		s.Sent += o.Sent
		s.Failed += o.Failed
		s.InFlight += o.InFlight
		s.Response.Merge(o.Response)
	}
}

// measurement returns the recorded measurement; names are those of the endpoints, headers
// those of the counted headers.
func (r *recorder) measurement(names, headers []string) record.Measurement {
	m := record.Measurement{
		DurationS: (r.till - r.from).Seconds(),
		Planned:   r.planned, Sent: r.sent, Succeeded: r.succeeded, Failed: r.sent - r.succeeded,
		Unsent: r.unsent, Clipped: r.clipped, Answered: r.answered, Retried: r.retried, Waited: r.waited,
		Errors: maps.Clone(r.errors), ErrorTexts: maps.Clone(r.texts), Connections: r.connections, Status: map[string]int64{}, Counts: map[string]int64{},
		BytesIn: r.bytesIn, BytesOut: r.bytesOut,
		Response: record.FromDense(r.response), ResponseSuccess: record.FromDense(r.success),
		Service: record.FromDense(r.service), SendLag: record.FromDense(r.sendLag), DriverLag: record.FromDense(r.driverLag),
		Timeline: r.timeline, Answers: record.Answers{StepS: r.perAnswers.Seconds(), Counts: r.answers}, MaxInFlight: r.maxInFlight,
	}
	if m.DurationS > 0 {
		m.AchievedRPS = float64(r.answered) / m.DurationS
	}
	for code, n := range r.status {
		if n > 0 {
			m.Status[strconv.Itoa(code)] = n
		}
	}
	for i, values := range r.counts {
		for value, n := range values {
			m.Counts[headers[i]+": "+value] = *n
		}
	}
	for i, e := range r.endpoints {
		m.Endpoints = append(m.Endpoints, record.EndpointMeasurement{
			Name: names[i], Sent: e.sent, Succeeded: e.succeeded, Failed: e.sent - e.succeeded,
			BytesIn: e.bytesIn, Response: record.FromDense(e.response),
		})
	}
	return m
}
