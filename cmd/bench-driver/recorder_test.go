// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A recorder answers each protocol's requests, and tells of as many as were
// sent, in the time in which they were.
func TestRecorder(t *testing.T) {
	const requests = 50
	for speaks, want := range map[string]string{speaksPlain: "HTTP/1.1", speaksTLS: "HTTP/1.1", speaksH2: "HTTP/2.0"} {
		t.Run(speaks, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			stdin, end := io.Pipe()
			out, tell := io.Pipe()
			began := time.Now()
			done := make(chan error, 1)
			go func() {
				err := recordArrivals(ctx, speaks, stdin, tell)
				tell.Close()
				done <- err
			}()
			lines := bufio.NewScanner(out)
			if !lines.Scan() {
				t.Fatalf("the recorder says no address: %v", lines.Err())
			}
			url := "https://" + lines.Text() + "/"
			if speaks == speaksPlain {
				url = "http://" + lines.Text() + "/"
			}
			transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			client := http.Client{Transport: transport, Timeout: 10 * time.Second}
			for range requests {
				response, err := client.Get(url)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if response.StatusCode != http.StatusOK || response.Proto != want {
					t.Fatalf("the answer is %d over %s, want %d over %s", response.StatusCode, response.Proto, http.StatusOK, want)
				}
			}
			transport.CloseIdleConnections()
			end.Close()
			count, last := 0, int64(0)
			for lines.Scan() {
				at, err := strconv.ParseInt(lines.Text(), 10, 64)
				if err != nil || at < last || time.Duration(at) > time.Since(began) {
					t.Fatalf("%q after %d is no moment of arrival: %v", lines.Text(), last, err)
				}
				count, last = count+1, at
			}
			if err := <-done; err != nil || count != requests {
				t.Errorf("%d arrivals, %v, want %d", count, err, requests)
			}
		})
	}
}

func TestRecorderOfNothingKnown(t *testing.T) {
	if err := recordArrivals(t.Context(), "gopher", strings.NewReader(""), io.Discard); err == nil {
		t.Error("it speaks gopher")
	}
}

func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	w := bufio.NewWriter(&wire)
	writeFrame(w, h2Ping, h2Ack, 0x01020304, []byte("12345678"))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "\x00\x00\x08\x06\x01\x01\x02\x03\x0412345678"
	if wire.String() != want {
		t.Fatalf("the frame is %q, want %q", wire.String(), want)
	}
	buffer := make([]byte, h2MaxFrame)
	kind, flags, stream, payload, err := readFrame(&wire, buffer)
	if err != nil || kind != h2Ping || flags != h2Ack || stream != 0x01020304 || string(payload) != "12345678" {
		t.Errorf("read %d %d %x %q, %v", kind, flags, stream, payload, err)
	}
	for name, wire := range map[string]string{
		"too large": "\x00\x40\x01\x00\x00\x00\x00\x00\x01" + strings.Repeat("x", h2MaxFrame+1),
		"cut short": "\x00\x00\x08\x06\x01\x00\x00\x00\x001234",
		"nothing":   "",
	} {
		if _, _, _, _, err := readFrame(strings.NewReader(wire), buffer); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
}
