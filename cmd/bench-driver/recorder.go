// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// recorderArg starts this program as the target that records arrivals. What
	// it speaks follows.
	recorderArg = "record-arrivals"
	speaksPlain = "http"
	speaksTLS   = "http/1.1" // the name in ALPN
	speaksH2    = "h2"       // the same

	// recorderLasts is longer than any load: a forgotten connection ends.
	recorderLasts = maxLength + 2*late
	recorderWaits = time.Second // for connections to end
)

// recordArrivals is a target that answers at once and notes when each request
// arrived. On end of stdin it writes the moments, in ns, one a line. It prints
// its address first.
func recordArrivals(ctx context.Context, speaks string, stdin io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	address, answer := listener.Addr(), answerHTTP1
	switch speaks {
	case speaksTLS, speaksH2:
		config, err := serverTLS(speaks)
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, config)
		if speaks == speaksH2 {
			answer = answerHTTP2
		}
	case speaksPlain:
	default:
		return fmt.Errorf("%s %q: it must be %s, %s or %s", recorderArg, speaks, speaksPlain, speaksTLS, speaksH2)
	}
	fmt.Fprintln(out, address)
	began := time.Now()
	var kept collected
	go kept.accept(listener, func(c net.Conn) []int64 {
		defer c.Close()
		_ = c.SetDeadline(began.Add(recorderLasts))
		return answer(c, func() int64 { return int64(time.Since(began)) })
	})
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	_ = listener.Close()
	w := bufio.NewWriter(out)
	for _, at := range kept.wait(ctx) {
		fmt.Fprintln(w, at)
	}
	return w.Flush()
}

// collected are the arrivals of connections that have ended.
type collected struct {
	mu   sync.Mutex
	all  []int64
	open int // connections
	free chan struct{}
}

func (k *collected) accept(listener net.Listener, serve func(net.Conn) []int64) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		k.open++
		k.mu.Unlock()
		go func() {
			arrived := serve(c)
			k.mu.Lock()
			defer k.mu.Unlock()
			k.all = append(k.all, arrived...)
			k.open--
			if k.open == 0 && k.free != nil {
				close(k.free)
				k.free = nil
			}
		}()
	}
}

// wait returns the arrivals when no connection is open. The tool has ended by
// then, and its connections with it: what takes longer is lost.
func (k *collected) wait(ctx context.Context) []int64 {
	free := make(chan struct{})
	k.mu.Lock()
	if k.open == 0 {
		close(free)
	} else {
		k.free = free
	}
	k.mu.Unlock()
	select {
	case <-free:
	case <-ctx.Done():
	case <-time.After(recorderWaits):
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all
}

// answerHTTP1 serves one connection and returns when its requests arrived.
func answerHTTP1(c net.Conn, now func() int64) (arrived []int64) {
	buffer := make([]byte, 4096)
	response := []byte("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return arrived
		}
		at := now()
		for range bytes.Count(buffer[:n], []byte("\r\n\r\n")) {
			arrived = append(arrived, at)
			if _, err := c.Write(response); err != nil {
				return arrived
			}
		}
	}
}

// Of HTTP/2 (RFC 9113) a recorder needs little: it answers every request with a
// header and no body, so that no window is used, and never looks into a header.
const (
	h2Preface       = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	h2MaxFrame      = 1 << 14
	h2Headers       = 1
	h2Settings      = 4
	h2Ping          = 6
	h2Continuation  = 9
	h2Ack           = 0x1 // of settings and pings
	h2EndStream     = 0x1 // of headers
	h2EndHeaders    = 0x4
	h2StatusOK      = 0x88 // the eighth entry of HPACK's static table
	h2MaxStreams    = 3    // a setting
	recorderStreams = 256
)

// answerHTTP2 serves one connection and returns when its requests arrived.
func answerHTTP2(c net.Conn, now func() int64) (arrived []int64) {
	r, w := bufio.NewReaderSize(c, 1<<16), bufio.NewWriter(c)
	preface := make([]byte, len(h2Preface))
	if _, err := io.ReadFull(r, preface); err != nil || string(preface) != h2Preface {
		return nil
	}
	writeFrame(w, h2Settings, 0, 0, binary.BigEndian.AppendUint32([]byte{0, h2MaxStreams}, recorderStreams))
	buffer := make([]byte, h2MaxFrame)
	for at := int64(0); ; {
		if r.Buffered() == 0 { // what one read brought has arrived together
			if w.Flush() != nil {
				return arrived
			}
			if _, err := r.Peek(1); err != nil {
				return arrived
			}
			at = now()
		}
		kind, flags, stream, payload, err := readFrame(r, buffer)
		if err != nil {
			return arrived
		}
		switch kind {
		case h2Settings, h2Ping:
			if flags&h2Ack == 0 {
				if kind == h2Settings {
					payload = nil
				}
				writeFrame(w, kind, h2Ack, 0, payload)
			}
		case h2Headers, h2Continuation:
			if kind == h2Headers {
				arrived = append(arrived, at)
			}
			if flags&h2EndHeaders != 0 {
				writeFrame(w, h2Headers, h2EndHeaders|h2EndStream, stream, []byte{h2StatusOK})
			}
		}
	}
}

// readFrame reads a frame, whose payload is in the buffer.
func readFrame(r io.Reader, buffer []byte) (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, 0, nil, err
	}
	size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if size > len(buffer) {
		return 0, 0, 0, nil, errors.New("the frame is larger than was agreed")
	}
	_, err = io.ReadFull(r, buffer[:size])
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), buffer[:size], err
}

// writeFrame writes a frame; what goes wrong is found when w is flushed.
func writeFrame(w *bufio.Writer, kind, flags byte, stream uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = w.Write(binary.BigEndian.AppendUint32(head, stream))
	_, _ = w.Write(payload)
}
