// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"headroom/scenarios"
)

// side is the server's side of one HTTP/2 connection, frame by frame.
type side struct {
	*http2.Framer
	conn net.Conn
	i    int64 // the connection's number
	mu   sync.Mutex
	head []byte
}

// startFrames serves HTTP/2 without TLS. Each request, when its header has come,
// is what its test makes of it; a false ends the connection.
func startFrames(t *testing.T, settings []http2.Setting, asked func(s *side, id uint32) bool) *rawServer {
	t.Helper()
	return startRaw(t, "http", func(raw *rawServer, c net.Conn, i int64) {
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		s := &side{Framer: http2.NewFramer(c, c), conn: c, i: i}
		s.head = hpackStatus("200")
		if s.WriteSettings(settings...) != nil {
			return
		}
		for {
			frame, err := s.ReadFrame()
			if err != nil {
				return
			}
			switch f := frame.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					s.mu.Lock()
					_ = s.WriteSettingsAck()
					s.mu.Unlock()
				}
			case *http2.HeadersFrame:
				raw.requests.Add(1)
				if !asked(s, f.StreamID) {
					return
				}
			}
		}
	})
}

func hpackStatus(status string) []byte {
	var b strings.Builder
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	return []byte(b.String())
}

// answer ends a stream with an empty answer.
func (s *side) answer(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.head, EndHeaders: true, EndStream: true}) == nil
}

func framesJob(s *rawServer, rateRPS float64, duration time.Duration) Job {
	job := jobFor(&s.target, rateRPS, duration)
	job.Protocol = ProtocolHTTP2
	return job
}

// A connection that breaks with many streams is replaced. Harmless requests are sent once
// more, even if the job may have only one connection.
func TestBrokenConnectionWithManyStreams(t *testing.T) {
	for _, test := range []struct {
		method          string
		connections     int
		failed, goAgain int64
	}{
		{"GET", 1, 0, 50}, {"POST", 1, 50, 0},
	} {
		const streams = 50
		var open atomic.Int64
		s := startFrames(t, nil, func(s *side, id uint32) bool {
			if s.i > 0 || id == 1 {
				return s.answer(id)
			}
			return open.Add(1) < streams
		})
		job := framesJob(s, 200, time.Second)
		job.Connections, job.Timeout, job.Mix[0].Method = test.connections, 3*time.Second, test.method
		m := mustDrive(t, job)
		if m.Sent != 200 || m.Retried != test.goAgain || m.Failed != test.failed || m.Errors[classReset] != test.failed {
			t.Errorf("%s over %d: %d sent, %d once more, errors %v", test.method, test.connections, m.Sent, m.Retried, m.Errors)
		}
		if got := s.accepted.Load(); got > int64(test.connections)+3 {
			t.Errorf("%s: %d connections", test.method, got)
		}
	}
}

// GOAWAY is how servers have their connections replaced: nothing is lost.
func TestGoAwayEveryTenStreams(t *testing.T) {
	s := startFrames(t, nil, func(s *side, id uint32) bool {
		if !s.answer(id) {
			return false
		}
		if id == 19 {
			s.mu.Lock()
			_ = s.WriteGoAway(19, http2.ErrCodeNo, nil)
			s.mu.Unlock()
		}
		return true
	})
	job := framesJob(s, 500, time.Second)
	job.Streams = 2 // a burst on one connection would be turned away more often than a request is sent again
	leavesNoSocket(t, func() {
		m := mustDrive(t, job)
		if m.Succeeded != 500 || m.Response.Quantile(0.99) > time.Second || s.requests.Load() > 500+m.Retried {
			t.Errorf("%d of 500 succeeded, the p99 is %v, %v, %d once more, %d asked", m.Succeeded, m.Response.Quantile(0.99), m.Errors, m.Retried, s.requests.Load())
		}
	})
}

func TestStreamsThatFail(t *testing.T) {
	reset := func(code http2.ErrCode, header bool) func(*side, uint32) bool {
		return func(s *side, id uint32) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if header {
				_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.head, EndHeaders: true})
				_ = s.WriteData(id, false, []byte("hello"))
			}
			return s.WriteRSTStream(id, code) == nil
		}
	}
	none := func(*side, uint32) bool { return true }
	for _, test := range []struct {
		name, class string
		settings    []http2.Setting
		asked       func(*side, uint32) bool
		retried     int64
	}{
		{"refused for good", classReset, nil, reset(http2.ErrCodeRefusedStream, false), 20 * maxUnprocessed},
		{"reset in the middle", classReset, nil, reset(http2.ErrCodeInternal, true), 0},
		{"reset at once", classReset, nil, reset(http2.ErrCodeCancel, false), 0},
		{"no answer", classTimeout, nil, none, 0},
		{"one stream", classTimeout, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}, none, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startFrames(t, test.settings, test.asked)
			job := framesJob(s, 100, 200*time.Millisecond)
			job.Connections, job.Timeout, job.Mix[0].Method = 32, 500*time.Millisecond, "POST"
			leavesNoSocket(t, func() {
				m := mustDrive(t, job)
				if m.Sent != 20 || m.Errors[test.class] != 20 || m.Retried != test.retried {
					t.Errorf("%d sent, errors %v, %d once more", m.Sent, m.Errors, m.Retried)
				}
			})
		})
	}
}

// A server that takes no stream at all gets none, and nothing hangs.
func TestNoStreamsAtAll(t *testing.T) {
	s := startFrames(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, (*side).answer)
	job := framesJob(s, 100, 300*time.Millisecond)
	job.Connections, job.Timeout = 2, 300*time.Millisecond
	began := time.Now()
	m := mustDrive(t, job)
	if m.Planned != 30 || m.Unsent+m.Sent != 30 || time.Since(began) > 15*time.Second {
		t.Errorf("%d planned, %d unsent, %d succeeded, errors %v after %v", m.Planned, m.Unsent, m.Succeeded, m.Errors, time.Since(began))
	}
}

// A server that speaks HTTP/1.1 alone fails a job that asks for HTTP/2.
func TestNoHTTP2(t *testing.T) {
	plain, _ := startCounted(t, "http", func(http.ResponseWriter, *http.Request) {})
	secure := startTLS(t, func(http.ResponseWriter, *http.Request) {}, false)
	for _, tg := range []*target{plain, secure} {
		job := jobFor(tg, 100, 200*time.Millisecond)
		job.Protocol, job.TLS.SkipVerify = ProtocolHTTP2, true
		if m := mustDrive(t, job); m.Sent != 20 || m.Errors[classProtocol] != 20 {
			t.Errorf("%s: %d sent, errors %v %v", tg.url, m.Sent, m.Errors, m.ErrorTexts)
		}
	}
}

// Over HTTP/2 a job's other wishes hold too.
func TestStreamsAndTheJob(t *testing.T) {
	tg, accepted := startCounted(t, "h2c", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cache", "hit")
		switch {
		case strings.HasPrefix(r.URL.Path, "/big"):
			_, _ = w.Write(make([]byte, 1<<20))
		case strings.HasPrefix(r.URL.Path, "/from"):
			http.Redirect(w, r, "/to", http.StatusFound)
		}
	})
	run := func(path string, change func(*Job)) Job {
		job := jobFor(tg, 100, 200*time.Millisecond)
		job.Protocol, job.Mix = ProtocolHTTP2, []scenarios.Endpoint{{Name: "e", Method: "GET", Path: path, Weight: 1}}
		change(&job)
		return job
	}
	if m := mustDrive(t, run("/big", func(j *Job) { j.MaxBody = 1000 })); m.Errors[classBodyTooBig] != 20 {
		t.Errorf("too large: %v", m.Errors)
	}
	if m := mustDrive(t, run("/from", func(j *Job) { j.Redirects = 1 })); m.Succeeded != m.Sent || m.Status["302"] != 20 || m.Status["200"] < 15 {
		t.Errorf("redirects: %v, errors %v", m.Status, m.Errors)
	}
	if m := mustDrive(t, run("/", func(j *Job) { j.CountHeaders = []string{"X-Cache"} })); m.Counts["X-Cache: hit"] != 20 {
		t.Errorf("counts: %v", m.Counts)
	}
	before := accepted.Load()
	if m := mustDrive(t, run("/", func(j *Job) { j.NewConnections = true })); m.Succeeded != 20 || accepted.Load()-before != 20 {
		t.Errorf("new connections: %d for %d", accepted.Load()-before, m.Succeeded)
	}
	if m := mustDrive(t, run("/", func(j *Job) { j.RateRPS, j.Connections, j.Streams = 0, 2, 5 })); m.Succeeded != m.Sent || m.MaxInFlight > 10 {
		t.Errorf("closed loop: %d of %d, %d in flight", m.Succeeded, m.Sent, m.MaxInFlight)
	}
}
