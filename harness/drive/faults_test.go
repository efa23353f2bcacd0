// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
)

// says reports whether one of the reasons holds text.
func says(reasons []string, text string) bool {
	return strings.Contains(strings.Join(reasons, "\n"), text)
}

// A target that never answers: in-flight stops at its cap, what finds no room
// is counted, and a timeout counts for no less than it lasted.
func TestSlowTargetMeetsTheCap(t *testing.T) {
	tg := startTarget(t, func(net.Conn, []byte) bool { return true })
	job := jobFor(tg, 1000, 600*time.Millisecond)
	job.Connections, job.MaxInFlight, job.Timeout = 0, 20, 200*time.Millisecond
	m := mustDrive(t, job)
	if m.Planned != 600 || m.Unsent < 400 || m.MaxInFlight != 20 {
		t.Errorf("%d planned, %d unsent, %d in flight; want 600, most of them, 20", m.Planned, m.Unsent, m.MaxInFlight)
	}
	if m.Errors[classTimeout] != m.Sent || m.Sent == 0 || m.Succeeded != 0 {
		t.Errorf("%d sent, errors %v", m.Sent, m.Errors)
	}
	if fastest := m.Response.Quantile(0); fastest < 199*time.Millisecond {
		t.Errorf("a timeout of 200 ms counts as %v", fastest)
	}
	if says(m.InvalidReasons, "waited") || m.Driver.Saturated && m.Driver.Limit != record.LimitCPU || m.Connections.Most != 20 {
		t.Errorf("up to %d connections, %d waited, limit %q, %q: it is the target that is slow", m.Connections.Most, m.Waited, m.Driver.Limit, m.InvalidReasons)
	}
}

// A target that takes its time does not look like a small one: connections are
// opened as they are needed. With a cap of its own the driver says that the cap
// was its limit.
func TestConnectionsGrow(t *testing.T) {
	tg := startTarget(t, func(c net.Conn, request []byte) bool {
		pause := time.NewTimer(500 * time.Millisecond)
		defer pause.Stop()
		<-pause.C
		return reply(okResponse)(c, request)
	})
	job := jobFor(tg, 200, 1500*time.Millisecond)
	job.Connections = 0
	m := mustDrive(t, job)
	if m.Succeeded != 300 || m.Waited != 0 || m.Connections.Most < 90 || m.Response.Quantile(0.5) > 600*time.Millisecond {
		t.Errorf("%d of 300 succeeded, %d waited, %d connections, the median is %v", m.Succeeded, m.Waited, m.Connections.Most, m.Response.Quantile(0.5))
	}
	job.Connections = 20
	m = mustDrive(t, job)
	if m.Waited == 0 || m.Driver.Limit != record.LimitConnections || !says(m.InvalidReasons, "the driver's 20 connections") || m.Connections.Most != 20 {
		t.Errorf("%d waited, limit %q, %d connections, %q", m.Waited, m.Driver.Limit, m.Connections.Most, m.InvalidReasons)
	}
}

// Waiting for a connection is part of the response time, not of the service
// time, and is not the driver's lag.
func TestWaitingForAConnectionCounts(t *testing.T) {
	tg := startTarget(t, func(c net.Conn, request []byte) bool {
		pause := time.NewTimer(20 * time.Millisecond)
		defer pause.Stop()
		<-pause.C
		return reply(okResponse)(c, request)
	})
	job := jobFor(tg, 100, 500*time.Millisecond) // twice what one connection carries
	job.Connections = 1
	m := mustDrive(t, job)
	if m.Succeeded != 50 {
		t.Fatalf("%d of 50 succeeded: %v", m.Succeeded, m.Errors)
	}
	service, response, lag := m.Service.Mean(), m.Response.Mean(), m.SendLag.Mean()
	if sum := service + lag; response < 3*service || response < sum-sum/100 || response > sum+sum/100 {
		t.Errorf("on average the service took %v, the wait %v, the response %v", service, lag, response)
	}
	if own := m.DriverLag.Mean(); own > lag/4 {
		t.Errorf("the driver's own lag is %v of %v", own, lag)
	}
}

// Bodies without end, without hurry and without measure.
func TestMonstrousBodies(t *testing.T) {
	piece := bytes.Repeat([]byte("x"), 64<<10)
	endless := func(header string, pause time.Duration, n int) answer {
		return func(c net.Conn, request []byte) bool {
			if !bytes.Contains(request, []byte("/bad")) {
				return reply(okResponse)(c, request)
			}
			if _, err := c.Write([]byte(header)); err != nil {
				return false
			}
			for {
				if _, err := c.Write(piece[:n]); err != nil {
					return false
				}
				if pause > 0 {
					timer := time.NewTimer(pause)
					<-timer.C
				}
			}
		}
	}
	for _, test := range []struct {
		name   string
		answer answer
		class  string
	}{
		{"endless", endless("HTTP/1.1 200 OK\r\n\r\n", 0, len(piece)), classBodyTooBig},
		{"many GB", endless("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n", 0, len(piece)), classBodyTooBig},
		{"trickling", endless("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n", 5*time.Millisecond, 1), classTimeout},
		{"trickling header", endless("HTTP/1.1 200 OK\r\nX: ", 5*time.Millisecond, 1), classTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tg := startTarget(t, test.answer)
			job := jobFor(tg, 20, 500*time.Millisecond)
			job.Connections, job.Timeout, job.MaxBody = 1, time.Second, 1<<20
			job.Mix[0].Path = "/bad"
			job.Mix[0].Weight = 0.3
			job.Mix = append(job.Mix, job.Mix[0])
			job.Mix[1].Name, job.Mix[1].Path, job.Mix[1].Weight = "good", "/good", 0.7
			m := mustDrive(t, job)
			bad, good := m.Endpoints[0], m.Endpoints[1]
			if m.Sent < 2 || bad.Sent == 0 || m.Errors[test.class] != bad.Sent || bad.Succeeded != 0 {
				t.Errorf("of %d such answers %v were refused", bad.Sent, m.Errors)
			}
			// The one connection was freed each time.
			if good.Sent == 0 || good.Succeeded != good.Sent {
				t.Errorf("%d of %d good requests succeeded", good.Succeeded, good.Sent)
			}
			if perBody := bad.BytesIn / max(bad.Sent, 1); perBody > job.MaxBody+128<<10 {
				t.Errorf("%d bytes were read of each body, the limit is %d", perBody, job.MaxBody)
			}
		})
	}
}

func TestAnswersThatAreFailures(t *testing.T) {
	for _, test := range []struct {
		name, response, class, status string
	}{
		{"fast errors", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", classStatus5xx, "503"},
		{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", classStatus4xx, "404"},
		{"wrong body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellO", classWrongBody, "200"},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", classWrongBody, "204"},
		{"not HTTP", "220 mail.example ESMTP ready\r\n", classProtocol, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tg := startTarget(t, reply(test.response))
			job := jobFor(tg, 500, 200*time.Millisecond)
			job.Mix[0].Expect = "hello"
			m := mustDrive(t, job)
			if m.Failed != 100 || m.Errors[test.class] != 100 || m.ResponseSuccess.Count() != 0 || m.AchievedRPS != 0 {
				t.Errorf("%d failed, errors %v, %d successes", m.Failed, m.Errors, m.ResponseSuccess.Count())
			}
			if test.status != "" && m.Status[test.status] != 100 {
				t.Errorf("status %v", m.Status)
			}
		})
	}
}

func TestWaysToEndABody(t *testing.T) {
	for name, response := range map[string]string{
		"length":      "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
		"chunks":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
		"close":       "HTTP/1.1 200 OK\r\n\r\nhello world",
		"close said":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world",
		"interim":     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
		"old version": "HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
	} {
		t.Run(name, func(t *testing.T) {
			keep := name == "length" || name == "chunks" || name == "interim"
			tg := startTarget(t, func(c net.Conn, request []byte) bool { return reply(response)(c, request) && keep })
			job := jobFor(tg, 500, 200*time.Millisecond)
			job.Mix[0].Expect = "o w"
			if m := mustDrive(t, job); m.Succeeded != 100 || m.BytesIn != 1100 {
				t.Errorf("%d of 100 succeeded, %v, %d bytes", m.Succeeded, m.Errors, m.BytesIn)
			}
		})
	}
}

// Nobody listens: every request fails at once, in open and in closed loop.
func TestRefused(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tg := &target{url: "http://" + listener.Addr().String()}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, rateRPS := range []float64{500, 0} {
		m := mustDrive(t, jobFor(tg, rateRPS, 200*time.Millisecond))
		if m.Sent == 0 || m.Errors[classRefused] != m.Sent || rateRPS > 0 && m.Sent != 100 {
			t.Errorf("at %v/s: %d sent, errors %v", rateRPS, m.Sent, m.Errors)
		}
	}
}

// A server may close a kept connection at any time, even as the next request
// is on its way. That is no failure where it is harmless to ask again.
func TestClosedConnectionsAreReplaced(t *testing.T) {
	tg := startTarget(t, func(c net.Conn, request []byte) bool {
		reply(okResponse)(c, request)
		return false // without having said so
	})
	if m := mustDrive(t, jobFor(tg, 500, 200*time.Millisecond)); m.Succeeded != 100 {
		t.Errorf("%d of %d succeeded: %v", m.Succeeded, m.Sent, m.Errors)
	}
}

// A server that breaks every connection is asked once per request, and once
// more at most.
func TestResets(t *testing.T) {
	tg := startTarget(t, func(net.Conn, []byte) bool { return false })
	m := mustDrive(t, jobFor(tg, 500, 200*time.Millisecond))
	if m.Errors[classReset] != 100 || m.Sent != 100 {
		t.Errorf("%d sent, errors %v", m.Sent, m.Errors)
	}
	if got := tg.requests.Load(); got != 100 {
		t.Errorf("the target was asked %d times for 100 requests on fresh connections", got)
	}
	half := startTarget(t, func(c net.Conn, _ []byte) bool {
		_, _ = fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
		return false
	})
	if m := mustDrive(t, jobFor(half, 500, 200*time.Millisecond)); m.Errors[classReset] != 100 {
		t.Errorf("half a body: errors %v", m.Errors)
	}
}

// More than any driver can send: the slice is invalid, not the target slow.
func TestSaturatedDriverIsInvalid(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	job := jobFor(tg, maxRate, 100*time.Millisecond)
	job.Timeout, job.MaxInFlight = time.Second, maxRate // nothing is held back by the cap
	m := mustDrive(t, job)
	if m.Planned != maxRate/10 {
		t.Errorf("%d requests were planned, want %d", m.Planned, maxRate/10)
	}
	if !m.Driver.Saturated || len(m.InvalidReasons) == 0 {
		t.Errorf("limit %q, and the reasons are %q", m.Driver.Limit, m.InvalidReasons)
	}
}
