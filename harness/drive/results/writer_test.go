// SPDX-License-Identifier: Apache-2.0

package results

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// sample is request k of a run that has some of everything.
func sample(k uint64) vegeta.Result {
	r := vegeta.Result{
		Seq: k, Code: 200, Timestamp: epoch.Add(time.Duration(k) * time.Millisecond), Latency: time.Duration(k%97+1) * 100 * time.Microsecond,
		BytesOut: k % 7, BytesIn: k % 1000, Method: "GET", URL: fmt.Sprintf("http://127.0.0.1:8080/a,\"b\"/%d", k),
	}
	switch {
	case k%10 == 3:
		r.Code, r.Error = 503, "status_5xx"
	case k%10 == 7:
		r.Code, r.Error = 200, "timeout" // in the middle of its body
	}
	return r
}

// readAll decodes a file as vegeta's commands do.
func readAll(t *testing.T, file io.Reader) vegeta.Results {
	t.Helper()
	decode := vegeta.DecoderFor(file)
	if decode == nil {
		t.Fatal("vegeta can't tell the file's encoding")
	}
	var all vegeta.Results
	for {
		var r vegeta.Result
		if err := decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

func mustCreate(t *testing.T, out io.Writer, format Format, options Options) *Writer {
	t.Helper()
	w, err := Create(out, format, options)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{
		"a.gob": Gob, "dir.csv/a.bin": Gob, "a.JSON": JSON, "a.b.csv": CSV, "a": "", "a.txt": "", "csv": "", "": "",
	} {
		got, err := FormatOf(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", path, got, err, want)
		}
		if err != nil && !(strings.Contains(err.Error(), path) && strings.Contains(err.Error(), ".gob or .bin, .json, or .csv")) {
			t.Errorf("%v names neither the path nor the ends", err)
		}
	}
	if _, err := Create(io.Discard, "xml", Options{}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("error %v", err)
	}
}

// Several lanes, several batches each: every result arrives as it was.
func TestEveryResultArrives(t *testing.T) {
	const lanes, count, first = 3, 5000, 250
	for _, format := range []Format{Gob, JSON, CSV} {
		t.Run(string(format), func(t *testing.T) {
			var file bytes.Buffer
			w := mustCreate(t, &file, format, Options{Attack: "before"})
			w.Begin(first)
			var wg sync.WaitGroup
			for i := range uint64(lanes) {
				l := w.Lane()
				wg.Go(func() {
					for k := i; k < count; k += lanes {
						r := sample(k)
						r.Seq += first
						l.Add(r)
					}
				})
			}
			wg.Wait()
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			seen := map[uint64]bool{}
			for _, got := range readAll(t, &file) {
				want := sample(got.Seq)
				want.Attack = "before"
				switch want.Error {
				case "status_5xx":
					want.Error = "status_5xx: 503 Service Unavailable"
				case "timeout":
					want.Code, want.Error = 0, "timeout: no complete answer within the timeout"
				}
				if len(got.Body) == 0 {
					got.Body = nil
				}
				if !got.Equal(want) {
					t.Fatalf("%+v, want %+v", got, want)
				}
				seen[got.Seq] = true
			}
			if len(seen) != count {
				t.Errorf("%d results, want %d", len(seen), count)
			}
		})
	}
}

func TestTheEncoderNamesRequests(t *testing.T) {
	var file bytes.Buffer
	w := mustCreate(t, &file, JSON, Options{Request: func(seq uint64) (string, string) {
		return "PUT", fmt.Sprintf("http://127.0.0.1/%d", seq)
	}})
	w.Begin(40)
	l := w.Lane()
	l.Add(vegeta.Result{Seq: 42, Code: 200, Body: []byte("kept by nobody")})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, &file); got[0].Method != "PUT" || got[0].URL != "http://127.0.0.1/42" || got[0].Seq != 2 || len(got[0].Body) > 0 {
		t.Errorf("%+v", got[0])
	}
}

// No request that could not be sent looks faster than the timeout, or than one
// before it that was sent.
func TestUnsentIsNeverFast(t *testing.T) {
	var file bytes.Buffer
	w := mustCreate(t, &file, CSV, Options{Timeout: time.Second})
	l := w.Lane()
	l.Unsent(0, epoch)
	l.Add(vegeta.Result{Seq: 1, Timestamp: epoch, Code: 200, Latency: 3 * time.Second})
	l.Unsent(2, epoch)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{time.Second, 3 * time.Second, 3 * time.Second} {
		got := readAll(t, bytes.NewReader(file.Bytes()))[i]
		if got.Latency != want || (got.Error == "unsent" && got.Code == 0) != (i != 1) || !got.Timestamp.Equal(epoch) {
			t.Errorf("%+v, want a latency of %v", got, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		class string
		code  uint16
		want  string
	}{
		{"", 200, ""},
		{"status_4xx", 404, "status_4xx: 404 Not Found"},
		{"status_other", 999, "status_other: 999"},
		{"refused", 0, "refused: the connection was refused"},
		{"unsent", 0, "unsent"},
		{"new", 0, "new"},
	} {
		if got := ErrorText(test.class, test.code); got != test.want {
			t.Errorf("%q %d: %q, want %q", test.class, test.code, got, test.want)
		}
	}
}

// gate is a file that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(p)
}

// A file that stands still holds nobody up and takes no memory without end.
// What finds no room is counted, and the file is not passed off as complete.
func TestALostResultFailsTheFile(t *testing.T) {
	const limit, count = 4, 10 * batchSize
	file := &gate{open: make(chan struct{})}
	out := bufio.NewWriterSize(file, 16)
	w := start(out, vegeta.NewJSONEncoder(out), Options{}, limit)
	l := w.Lane()
	for k := range uint64(count) {
		l.Add(sample(k))
	}
	if made := w.made.Load(); made != limit {
		t.Errorf("%d batches are in memory, the limit is %d", made, limit)
	}
	close(file.open)
	err := w.Close()
	const kept = limit * batchSize
	if want := fmt.Sprintf("%d of %d were lost", count-kept, count); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one that says %s", err, want)
	}
	if got := len(readAll(t, file)); got != kept {
		t.Errorf("%d results are in the file, want %d", got, kept)
	}
}

// fullDisk takes some bytes and then no more.
type fullDisk struct{ left int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestTheFirstErrorIsKept(t *testing.T) {
	for _, room := range []int{0, 100 << 10} {
		w := mustCreate(t, &fullDisk{left: room}, Gob, Options{})
		l := w.Lane()
		for k := range uint64(20 * batchSize) {
			l.Add(sample(k))
		}
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: error %v", room, err)
		}
		if err := w.Close(); err == nil {
			t.Error("it can be closed twice")
		}
	}
	w := mustCreate(t, io.Discard, Gob, Options{})
	w.Begin(2)
	w.Lane().Add(sample(1))
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "request 1 comes before the first recorded one, 2") {
		t.Errorf("error %v", err)
	}
}

// waiting has no encoder at work, so that only Add is looked at.
func waiting(tb testing.TB) *Lane {
	file := &gate{open: make(chan struct{})}
	out := bufio.NewWriterSize(file, 16)
	w := start(out, vegeta.NewJSONEncoder(out), Options{}, maxBatches)
	tb.Cleanup(func() {
		close(file.open)
		_ = w.Close() // may have lost some
	})
	return w.Lane()
}

func TestAddAllocatesNothing(t *testing.T) {
	l := waiting(t)
	r := sample(1)
	if allocs := testing.AllocsPerRun(20*batchSize, func() { l.Add(r) }); allocs != 0 {
		t.Errorf("%v allocations a result", allocs)
	}
}

// BenchmarkAdd is what a loop pays, with an encoder that keeps up.
func BenchmarkAdd(b *testing.B) {
	w := start(bufio.NewWriter(io.Discard), func(*vegeta.Result) error { return nil }, Options{}, maxBatches)
	l, r := w.Lane(), sample(1)
	b.ReportAllocs()
	for b.Loop() {
		l.Add(r)
	}
	b.StopTimer()
	_ = w.Close() // may have lost some
}

// BenchmarkEncode is what the encoder pays, on its own goroutine.
func BenchmarkEncode(b *testing.B) {
	for _, format := range []Format{Gob, JSON, CSV} {
		b.Run(string(format), func(b *testing.B) {
			out := bufio.NewWriterSize(io.Discard, fileBuffer)
			encode, err := format.encoder(out)
			if err != nil {
				b.Fatal(err)
			}
			w, r := Writer{encode: encode}, sample(1)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.write(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
