// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// vegetaSender stands for one of the job's connections, over HTTP/2 for a
// stream: it sends one request at a time.
type vegetaSender struct {
	entry  int
	buffer []byte
	expect []byte
	match  matcher
	watch  exchange
}

// senderBuffer is how much of a body is read at once.
const senderBuffer = 16 << 10

// vegetaSenders splits the job's connections evenly among its entries, so that a distant
// entry can't use up the connections of a near one.
func vegetaSenders(connections, entries int) []chan *vegetaSender {
	free := make([]chan *vegetaSender, entries)
	for i := range free {
		count := (connections + entries - 1 - i) / entries
		free[i] = make(chan *vegetaSender, count)
		for range count {
			free[i] <- &vegetaSender{entry: i}
		}
	}
	return free
}

// send sends the request of f and writes the result into f.
func (s *vegetaSender) send(v *vegetaRun, f *vegetaFlight) error {
	picked, target := v.mix.Pick(f.k), v.mix.Target(f.k)
	s.expect = picked.AppendExpect(s.expect[:0])
	s.match.reset(s.expect)
	v.watch.begin(&s.watch, picked)
	f.out = vegeta.Result{Method: target.Method, URL: target.URL, BytesOut: uint64(len(target.Body))}
	err := s.exchange(v, &target, f)
	ended := time.Since(v.epoch)
	switch {
	case err != nil && v.ctx.Err() != nil:
		f.out.Error = classInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		f.out.Error = classTimeout
	case err != nil:
		f.out.Error = errorClass(err)
	default:
		f.out.Error = statusClass(int(f.out.Code))
		if f.out.Error == "" && !s.match.found {
			f.out.Error = classWrongBody
		}
	}
	if f.out.Error != "" {
		f.text = target.Method + " " + string(picked.AppendPath(nil))
		if err != nil {
			f.text += ": " + err.Error()
		} else {
			f.text += fmt.Sprintf(": status %d", f.out.Code)
		}
	}
	if s.watch.active {
		s.watch.headers(f.header)
		v.watch.end(&s.watch, picked, f.sent, ended, int(f.out.Code), f.out.Error, f.intended >= v.job.Warmup)
	}
	return err
}

// exchange sends the target and reads the answer to its end. An answer that is complete
// only after the deadline counts as a timeout. Over TLS net/http reads on for a moment
// after it has told the server of the end, and some servers answer even then.
func (s *vegetaSender) exchange(v *vegetaRun, target *vegeta.Target, f *vegetaFlight) error {
	ctx, cancel := context.WithTimeout(v.ctx, v.job.Timeout)
	defer cancel()
	req, err := target.Request()
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	resp, err := v.client.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.out.Code, f.header = uint16(resp.StatusCode), resp.Header
	v.speaks(resp)
	err = s.read(v, resp.Body, f)
	if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// read counts and checks a body. It does not keep the body.
func (s *vegetaSender) read(v *vegetaRun, body io.Reader, f *vegetaFlight) error {
	if s.buffer == nil {
		s.buffer = make([]byte, senderBuffer)
	}
	for {
		n, err := body.Read(s.buffer)
		f.out.BytesIn += uint64(n)
		s.match.write(s.buffer[:n])
		if s.watch.active {
			s.watch.body(s.buffer[:n])
		}
		switch {
		case int64(f.out.BytesIn) > v.job.MaxBody:
			return errBodyTooBig
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// speaks notes the protocol of an answer's connection.
func (v *vegetaRun) speaks(resp *http.Response) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.protocol == "" {
		v.protocol = protocolName(resp.TLS, resp.ProtoMajor == 2)
	}
}
