// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"net/http"
	"slices"
	"time"

	"headroom/harness/drive/mix"
	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/scenarios"
)

// cacheHeader says whether a cache answered itself.
const (
	cacheHeader = "X-Cache"
	cacheHit    = "hit"
)

// watcher reports a job's requests and answers to its oracles. All loops share the
// watcher. A job without oracles has none.
type watcher struct {
	names    []scenarios.OracleName
	versions *oracle.Versions // nil: not asked for
	limits   *oracle.RateLimitCheck
	behind   bool // a cache stands before the limiter
	created  *oracle.Creations
	headers  bool // a header shows a version or an id
}

// newWatcher returns the watcher of a job, nil when it asks for no oracle.
func newWatcher(job *Job, requests *mix.Mix) *watcher {
	if len(job.Oracles) == 0 {
		return nil
	}
	w := &watcher{
		names: job.Oracles, versions: oracle.NewVersions(job.Oracles, requests.ObjectName),
		headers: requests.ShowsInHeaders(),
	}
	if slices.Contains(job.Oracles, scenarios.OracleOverLimit) {
		w.limits = oracle.NewRateLimitCheck(job.RateLimit.Limit, job.RateLimit.Window)
		w.behind = job.RateLimit.BehindCache
	}
	if tables := requests.Created(); len(tables) > 0 || w.wants(scenarios.OracleDuplicateIDs) {
		w.created = oracle.NewCreations(tables, w.wants(scenarios.OracleDuplicateIDs), job.Seed)
	}
	return w
}

func (w *watcher) wants(name scenarios.OracleName) bool { return slices.Contains(w.names, name) }

// wantsHeaders says that answers' headers matter.
func (w *watcher) wantsHeaders() bool {
	return w != nil && (w.headers || w.limits != nil && w.behind)
}

// exchange is what the oracles need to know of one request under way.
type exchange struct {
	active      bool
	version, id numberReader
	floor       oracle.Floor
	object      uint64
	session     int64
	cached      bool // a cache answered
}

// begin is called right before a request goes out.
func (w *watcher) begin(x *exchange, r mix.Request) {
	x.active = false
	if w == nil {
		return
	}
	x.cached = false
	x.version.reset(nil)
	x.id.reset(nil)
	if _, creates := r.Creates(); creates && w.created != nil {
		x.active = true
		x.id.reset(r.ID())
	}
	object, ok := r.Object()
	followed := ok && w.versions != nil
	if x.active || followed || w.limits != nil {
		x.session = r.Session()
	}
	if followed {
		x.active, x.object = true, object
		x.version.reset(r.Version())
		x.floor = w.versions.Send(object, x.session)
	}
	x.active = x.active || w.limits != nil && x.session != 0
}

// restart is called when the request is sent once more. It drops what the first answer
// showed.
func (x *exchange) restart() {
	if x.active {
		x.version.reset(x.version.at)
		x.id.reset(x.id.at)
		x.cached = false
	}
}

func (x *exchange) body(fragment []byte) {
	x.version.inBody.write(fragment)
	x.id.inBody.write(fragment)
}

// header notes whether a cache answered, and reads a number that stands in a header.
func (x *exchange) header(name, value []byte) {
	x.version.header(name, value)
	x.id.header(name, value)
	if len(name) == len(cacheHeader) && bytes.EqualFold(name, []byte(cacheHeader)) {
		x.cached = len(value) >= len(cacheHit) && bytes.EqualFold(value[:len(cacheHit)], []byte(cacheHit))
	}
}

// headers notes the headers of an answer that net/http has read.
func (x *exchange) headers(read http.Header) {
	x.header([]byte(cacheHeader), []byte(read.Get(cacheHeader)))
	for _, s := range []*numberReader{&x.version, &x.id} {
		if s.at == nil {
			continue
		}
		for _, value := range read.Values(string(s.at.Header)) {
			s.header(s.at.Header, []byte(value))
		}
	}
}

// numberReader looks for one number in an answer.
type numberReader struct {
	at       *mix.NumberAt // nil: nothing is looked for
	inBody   finder
	inHeader int64
	read     bool // inHeader is
}

func (s *numberReader) reset(at *mix.NumberAt) {
	s.at, s.inHeader, s.read = at, 0, false
	field := ""
	if at != nil {
		field = at.Field
	}
	s.inBody.reset(field)
}

// header reads a header line. The first line with a number counts, as in a body.
func (s *numberReader) header(name, value []byte) {
	if s.at == nil || s.read || len(name) != len(s.at.Header) || !bytes.EqualFold(name, s.at.Header) {
		return
	}
	s.inHeader, s.read = s.at.Number(value)
}

// found returns the number, once the answer is over; ok is false when there was
// none.
func (s *numberReader) found() (n int64, ok bool) {
	if s.read {
		return s.inHeader, true
	}
	return s.inBody.found()
}

// end is called when a request is over. Times run from the epoch; class is ""
// for success.
func (w *watcher) end(x *exchange, r mix.Request, sent, ended time.Duration, status int, class string, recorded bool) {
	// A 5xx may come from before the limiter, and a 429 is the limiter's refusal.
	if w.limits != nil && x.session != 0 && status >= 200 && status < 500 && status != http.StatusTooManyRequests && !(w.behind && x.cached) {
		w.limits.Admitted(x.session, sent, ended, recorded)
	}
	if class != "" || status >= 300 {
		return
	}
	if x.id.at != nil {
		table, _ := r.Creates()
		if id, ok := x.id.found(); ok {
			w.created.Add(table, record.Created{ID: id, Session: x.session}, recorded)
		} else {
			w.created.Unread()
		}
	}
	if x.version.at == nil {
		return
	}
	version, ok := x.version.found()
	access := oracle.Access{Object: x.object, Session: x.session, Version: version, Sent: sent, Ended: ended, Recorded: recorded}
	switch {
	case !ok:
		w.versions.Unread(x.object)
	case r.Reads():
		w.versions.Read(access, x.floor)
	default:
		w.versions.Wrote(access)
	}
}

// report adds the findings to m, in the order of reports.
func (w *watcher) report(m *record.Measurement) {
	if w == nil {
		return
	}
	found := map[scenarios.OracleName]record.Oracle{}
	if w.versions != nil {
		for _, o := range w.versions.Results(w.names) {
			found[o.Name] = o
		}
	}
	if w.limits != nil {
		found[scenarios.OracleOverLimit] = w.limits.Result()
	}
	if w.wants(scenarios.OracleDuplicateIDs) {
		found[scenarios.OracleDuplicateIDs] = w.created.Duplicates()
	}
	for _, name := range scenarios.Oracles() {
		if o, ok := found[name]; ok {
			m.Oracles = append(m.Oracles, o)
		}
	}
	if w.created != nil {
		m.Created = w.created.Sample()
	}
}
