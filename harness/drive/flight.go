// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
)

// flight is one request under way, from its send to its end. A loop reuses its flights,
// so that a request allocates no memory.
type flight struct {
	loop  *loop
	index int32 // into the loop's flights; HTTP/2 streams are known by it
	conn  *conn // that carries it

	request
	req  mix.Request
	sent time.Duration // since the epoch: the actual send, or the dial for a new connection

	retries    int    // second sends so far
	after      uint64 // a retry needs a connection dialled after this many: older ones may be broken too
	firstClass string // of the failure that led to the first retry
	firstErr   error

	status          int
	bodyOut, bodyIn int64
	body            []byte // HTTP/2 sends it piece by piece
	own             []byte // memory for it
	expect          []byte
	match           matcher
	watch           exchange
	location        []byte // of a redirect's answer

	neighbours links[flight] // among the deadlines
}

func (f *flight) links() *links[flight] { return &f.neighbours }
func (f *flight) at() time.Duration     { return f.sent }

// newFlight returns a flight for r.
func (l *loop) newFlight(r request, sent time.Duration) *flight {
	var f *flight
	if n := len(l.spare); n > 0 {
		f, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		f = &flight{loop: l, index: int32(len(l.flights))}
		l.flights = append(l.flights, f)
	}
	f.request, f.sent = r, sent
	f.conn, f.retries, f.after, f.firstClass, f.firstErr = nil, 0, 0, "", nil
	f.req = l.pick(r)
	f.expect = f.req.AppendExpect(f.expect[:0])
	f.bodyOut = 0
	l.watch.begin(&f.watch, f.req)
	l.sent.insert(f)
	return f
}

// restart prepares for a send, the first or a further one.
func (f *flight) restart() {
	f.status, f.bodyIn, f.location = 0, 0, f.location[:0]
	f.match.reset(f.expect)
}

// header counts the headers that the job names, and keeps the location of a redirect.
func (f *flight) header(name, value []byte) {
	job := f.loop.job
	for i, counted := range job.CountHeaders {
		if len(name) == len(counted) && strings.EqualFold(string(name), counted) {
			f.loop.rec.header(f.intended, i, value)
		}
	}
	if f.watch.active {
		f.watch.header(name, value)
	}
	if job.Redirects > 0 && len(name) == len("location") && strings.EqualFold(string(name), "location") {
		f.location = append(f.location[:0], value...)
	}
}

// part counts and checks a fragment of the answer's body. It does not keep the fragment.
func (f *flight) part(fragment []byte) error {
	f.bodyIn += int64(len(fragment))
	f.match.write(fragment)
	if f.watch.active {
		f.watch.body(fragment)
	}
	if f.bodyIn > f.loop.job.MaxBody {
		return errBodyTooBig
	}
	return nil
}

// answeredClass is the class of a complete answer, "" for success.
func (f *flight) answeredClass() string {
	if class := statusClass(f.status); class != "" {
		return class
	}
	if !f.match.found {
		return classWrongBody
	}
	return ""
}

// mayRetry says that sending the request once more is harmless: the server has not
// processed the request, or the request is idempotent. It notes the first failure, which
// is reported if the retry fails too.
func (f *flight) mayRetry(err error, unprocessed bool) bool {
	limit := 1
	if unprocessed {
		limit = maxUnprocessed
	}
	if f.retries >= limit || !unprocessed && !f.req.Idempotent() {
		return false
	}
	if f.retries == 0 {
		f.firstClass, f.firstErr = errorClass(err), err
	}
	f.retries++
	if f.after = 0; !unprocessed {
		f.after = max(f.loop.dialled, 1)
	}
	f.watch.restart()
	f.loop.rec.retry(f.intended)
	return true
}

// maxUnprocessed is how often a request is sent again that an HTTP/2 server reports as
// unprocessed.
const maxUnprocessed = 50

// finish ends a flight. The class is "" for success. err, which may be nil, describes a
// failure further.
func (l *loop) finish(f *flight, now time.Duration, class string, err error) {
	l.sent.remove(f)
	if f.firstClass != "" && f.status == 0 && (class == classRefused || class == classReset) {
		class, err = f.firstClass, f.firstErr // what went wrong at first is the cause
	}
	latency := now - f.sent
	if class == classTimeout {
		latency = max(latency, l.job.Timeout)
	}
	o := &l.result
	o.Result = vegeta.Result{
		Seq: f.k, Code: uint16(f.status), Timestamp: l.epoch.Add(f.sent), Latency: latency,
		BytesOut: uint64(f.bodyOut), BytesIn: uint64(f.bodyIn), Error: class,
	}
	o.intended, o.dispatched, o.name, o.text = f.intended, f.dispatched, f.req.Name(), ""
	if class != "" && !l.rec.told(class) {
		o.text = l.describe(f, class, err)
	}
	l.count(now, -1)
	l.rec.done(o)
	l.lane.add(l.rec, o)
	if f.watch.active {
		l.watch.end(&f.watch, f.req, f.sent, now, f.status, class, l.rec.recorded(f.intended))
	}
	if n := cap(f.body); n > 0 && n <= keptOut && f.req.OwnBody() {
		f.own = f.body
	}
	f.conn, f.body, f.request.redirected = nil, nil, nil
	l.spare = append(l.spare, f)
}

// describe puts the first failure of a class into words.
func (l *loop) describe(f *flight, class string, err error) string {
	what := f.req.Method() + " " + string(f.req.AppendPath(nil))
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", what, err)
	case class == classTimeout:
		return fmt.Sprintf("%s: no whole answer within %v", what, l.job.Timeout)
	case class == classWrongBody:
		return fmt.Sprintf("%s: the body does not hold %.80q", what, f.expect)
	case class == classInterrupted:
		return what + ": still in flight when the run was called off"
	}
	return fmt.Sprintf("%s: status %d", what, f.status)
}
