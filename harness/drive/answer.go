// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"headroom/harness/drive/http2"
	"headroom/harness/drive/mix"
)

// feedAnswer reads an HTTP/1.1 answer.
func (c *conn) feedAnswer(data []byte) {
	rest, complete, err := c.parser.Feed(data, c)
	switch {
	case err != nil:
		f, class := c.current, classProtocol
		if errors.Is(err, errBodyTooBig) {
			class = classBodyTooBig
		}
		f.status = c.parser.Status()
		c.discard()
		c.loop.finish(f, c.loop.now(), class, err)
	case complete:
		c.answered(len(rest) == 0 && c.parser.Reusable() && c.flushed())
	}
}

// Header takes a header line of an HTTP/1.1 answer.
func (c *conn) Header(name, value []byte) { c.current.header(name, value) }

// Body takes a fragment of an HTTP/1.1 answer's body.
func (c *conn) Body(fragment []byte) error { return c.current.part(fragment) }

// answered ends the request with its complete HTTP/1.1 answer.
func (c *conn) answered(reusable bool) {
	l, f := c.loop, c.current
	f.status = c.parser.Status()
	c.current, c.used = nil, true
	now := l.now()
	if reusable && !l.job.NewConnections && !f.req.Close() {
		c.release()
	} else {
		c.discard()
	}
	l.complete(f, now)
}

// sessionField is mix.SessionHeader in HTTP/2's lower case.
var sessionField = strings.ToLower(mix.SessionHeader)

// streams is a connection as HTTP/2 sees it.
type streams struct{ *conn }

// openStream renders f's request for c.
func (l *loop) openStream(c *conn, f *flight) []byte {
	r := &l.stream
	r.Method, r.Scheme, r.Authority = f.req.Method(), c.entry.scheme, f.req.Authority()
	l.path = f.req.AppendPath(l.path[:0])
	l.session = f.req.AppendSession(l.session[:0])
	r.Path, r.Fields, r.Body = l.path, f.req.Fields(), f.body
	r.Extra = r.Extra[:0]
	if len(l.session) > 0 {
		r.Extra = append(r.Extra, http2.Changing{Name: sessionField, Value: l.session})
	}
	if len(f.body) > 0 {
		l.length = strconv.AppendInt(l.length[:0], int64(len(f.body)), 10)
		r.Extra = append(r.Extra, http2.Changing{Name: "content-length", Value: l.length})
	}
	l.scratch = c.h2.Open(l.scratch[:0], f.index, r)
	return l.scratch
}

// feedStreams reads frames.
func (c *conn) feedStreams(data []byte) {
	l := c.loop
	out, err := c.h2.Feed(l.scratch[:0], data, streams{c})
	l.scratch = out
	if len(out) > 0 {
		c.send(out)
	}
	if err != nil {
		_ = c.wire.flush() // writes our GOAWAY; the connection is over in any case
		c.lostStreams(err)
		return
	}
	c.settle()
}

// settle marks a draining connection as closing, and releases a connection without
// streams.
func (c *conn) settle() {
	if c.h2.Draining() && !c.closing {
		c.closing = true
		c.entry.forget(c)
	}
	if c.h2.Active() == 0 {
		c.release()
	}
}

// lostStreams ends all streams of a broken connection.
func (c *conn) lostStreams(err error) {
	c.closing = true
	c.broken = true
	c.h2.Close(err, streams{c})
	c.discard()
}

// Header takes a header field of a stream's answer.
func (s streams) Header(tag int32, name, value []byte) { s.loop.flights[tag].header(name, value) }

// Body takes a fragment of a stream's answer's body.
func (s streams) Body(tag int32, fragment []byte) error { return s.loop.flights[tag].part(fragment) }

// End ends a stream. End is called while frames are read, so it sends nothing: retries and
// redirects wait for the loop.
func (s streams) End(tag int32, status int, err error) {
	c, l := s.conn, s.loop
	f := l.flights[tag]
	f.status = status
	if err == nil {
		c.used = true
		c.closing = c.closing || l.job.NewConnections || f.req.Close()
		l.complete(f, l.now())
		return
	}
	unprocessed := http2.Unprocessed(err)
	if (unprocessed || c.broken && c.used && status == 0) && f.mayRetry(err, unprocessed) {
		l.retry(f)
		return
	}
	l.finish(f, l.now(), errorClass(err), err)
}

func noHTTP2(chosen string) error {
	if chosen == "" {
		chosen = "nothing"
	}
	return fmt.Errorf("%w: it chose %s by ALPN", errNoHTTP2, chosen)
}

// complete ends a flight with its complete answer, and follows a redirect.
func (l *loop) complete(f *flight, now time.Duration) {
	class := f.answeredClass()
	if class != "" || l.job.Redirects == 0 || f.status < 300 {
		l.finish(f, now, class, nil)
		return
	}
	next, found, err := f.redirected()
	if err != nil {
		l.finish(f, now, classRedirect, err)
		return
	}
	r := request{k: f.k, intended: now, dispatched: now, redirected: &next, hops: f.hops + 1}
	l.finish(f, now, "", nil)
	if found && now < l.end {
		l.follow(r, now)
	}
}

// redirected is the request that f's answer redirects to; found is false when the answer
// is no redirect.
func (f *flight) redirected() (next mix.Request, found bool, err error) {
	method, dropBody := f.req.Method(), false
	switch f.status {
	case http.StatusMovedPermanently, http.StatusFound:
		if method == http.MethodPost { // as every client does: RFC 9110, section 15.4
			method, dropBody = http.MethodGet, true
		}
	case http.StatusSeeOther:
		if method != http.MethodHead {
			method, dropBody = http.MethodGet, true
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return next, false, nil
	}
	if len(f.location) == 0 {
		return next, false, nil
	}
	if f.hops >= f.loop.job.Redirects {
		return next, false, fmt.Errorf("it leads to %.200s, after %d redirects in a row", f.location, f.hops)
	}
	base, err := url.Parse(f.req.URL())
	if err != nil {
		return next, false, err
	}
	to, err := base.Parse(string(f.location))
	if err != nil {
		return next, false, fmt.Errorf("it leads to %.200q: %w", f.location, err)
	}
	if to.Scheme != base.Scheme || !strings.EqualFold(to.Host, base.Host) {
		return next, false, fmt.Errorf("it leads to %.200s: one run measures one system", f.location)
	}
	return f.req.Redirected(method, to.RequestURI(), dropBody), true, nil
}
