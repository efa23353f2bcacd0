// SPDX-License-Identifier: Apache-2.0

package results

import (
	"bufio"
	"errors"

	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Limits of the results that wait to be encoded.
const (
	batchSize  = 512 // results handed over at once
	maxBatches = 512 // of a Writer: 262,144 results, 42 MB, 26 s of 10,000/s
	fileBuffer = 64 << 10
	closeLimit = time.Minute
)

// Options say what a Writer adds to results.
type Options struct {
	Attack  string        // the run's name
	Timeout time.Duration // of a request: no unsent one counts as faster
	// Request, if not nil, returns the method and URL of a result without these. The
	// encoder calls Request, so that the loops need not build URLs. seq is the number
	// that was given to Add.
	Request func(seq uint64) (method, url string)
}

// Writer writes results to one file. Each loop adds its results to a Lane, and one
// goroutine encodes them.
//
// No loop ever waits for the file: a waiting loop would send late, and the file would
// disturb what it records. Results that the encoder can't take yet are kept, up to a
// limit. Results beyond the limit are lost and counted, and Close returns an error,
// because a report of a file with gaps has wrong figures.
type Writer struct {
	options Options
	encode  vegeta.Encoder
	out     *bufio.Writer
	first   atomic.Uint64
	limit   int64
	made    atomic.Int64         // batches, limit of them at most
	full    chan []vegeta.Result // to the encoder; has room for all batches
	free    chan []vegeta.Result // back from it; so has this
	done    chan struct{}        // closed when the encoder has ended
	err     error                // the encoder's first, to be read after done
	written uint64               // results
	slowest time.Duration        // of those written
	mu      sync.Mutex           // of the fields below
	lanes   []*Lane
	closed  bool
}

// Create begins a file on out. Nothing else may write there until Close, which
// leaves out open.
func Create(out io.Writer, format Format, options Options) (*Writer, error) {
	buffered := bufio.NewWriterSize(out, fileBuffer)
	encode, err := format.encoder(buffered)
	if err != nil {
		return nil, err
	}
	return start(buffered, encode, options, maxBatches), nil
}

func start(out *bufio.Writer, encode vegeta.Encoder, options Options, limit int) *Writer {
	w := &Writer{
		options: options, encode: encode, out: out, limit: int64(limit), slowest: options.Timeout,
		full: make(chan []vegeta.Result, limit), free: make(chan []vegeta.Result, limit),
		done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Begin says that the first recorded request has the number first, because a warm-up came
// before. It is written as number 0. Begin must be called before the first Add.
func (w *Writer) Begin(first uint64) { w.first.Store(first) }

// Lane returns a place to add results from one goroutine.
func (w *Writer) Lane() *Lane {
	l := &Lane{writer: w, batch: w.empty()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes = append(w.lanes, l)
	return l
}

// empty returns a batch to fill, nil at the limit of batches.
func (w *Writer) empty() []vegeta.Result {
	select {
	case batch := <-w.free:
		return batch[:0]
	default:
	}
	if w.made.Add(1) > w.limit {
		w.made.Add(-1)
		return nil
	}
	return make([]vegeta.Result, 0, batchSize)
}

// Close writes the remaining results. It returns the encoder's first error, or an error if
// results were lost. Nothing may be added afterwards. Close gives up when the file does not
// take the results within a minute.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errors.New("results: the file is closed already")
	}
	w.closed = true
	var lost uint64
	for _, l := range w.lanes {
		if len(l.batch) > 0 {
			w.full <- l.batch // never blocks
		}
		lost += l.lost
		l.batch = nil
	}
	close(w.full)
	patience := time.NewTimer(closeLimit)
	defer patience.Stop()
	select {
	case <-w.done:
	case <-patience.C:
		return fmt.Errorf("results: the file did not take what was left within %v: it is not complete", closeLimit)
	}
	if w.err == nil && lost > 0 {
		return fmt.Errorf("results: %d of %d were lost, because writing the file could not keep up: it is not complete; write it to a faster disk, as gob, or load at a lower rate",
			lost, lost+w.written)
	}
	return w.err
}

// run encodes batches until Close. After an error it goes on taking batches, so that the
// error is not mistaken for a slow file.
func (w *Writer) run() {
	defer close(w.done)
	for batch := range w.full {
		for i := range batch {
			if w.err == nil {
				w.err = w.write(&batch[i])
			}
		}
		w.free <- batch // never blocks
	}
	if err := w.out.Flush(); w.err == nil && err != nil {
		w.err = fmt.Errorf("results: write the file: %w", err)
	}
}

func (w *Writer) write(r *vegeta.Result) error {
	first := w.first.Load()
	if r.Seq < first {
		return fmt.Errorf("results: request %d comes before the first recorded one, %d", r.Seq, first)
	}
	if r.Method == "" && w.options.Request != nil {
		r.Method, r.URL = w.options.Request(r.Seq)
	}
	r.Seq -= first
	r.Attack = w.options.Attack
	if !complete(r.Error) {
		r.Code = 0
	}
	if r.Error == Unsent {
		r.Latency = w.slowest
	}
	r.Error = ErrorText(r.Error, r.Code)
	w.slowest = max(w.slowest, r.Latency)
	if err := w.encode(r); err != nil {
		return fmt.Errorf("results: write request %d: %w", r.Seq, err)
	}
	w.written++
	return nil
}

// Lane takes the results of one goroutine.
type Lane struct {
	writer *Writer
	batch  []vegeta.Result // nil: at the limit of batches
	lost   uint64
}

// Add adds a result; its Error is a class of failure. Add copies the result, never waits,
// and allocates nothing except a new batch now and then.
func (l *Lane) Add(r vegeta.Result) {
	if len(l.batch) == cap(l.batch) && !l.next() {
		l.lost++
		return
	}
	r.Body, r.Headers = nil, nil
	l.batch = append(l.batch, r)
}

// Unsent adds request seq, which was due at intended and could not be sent.
func (l *Lane) Unsent(seq uint64, intended time.Time) {
	l.Add(vegeta.Result{Seq: seq, Timestamp: intended, Error: Unsent})
}

// next hands a full batch to the encoder and takes an empty one.
func (l *Lane) next() bool {
	if l.batch != nil {
		l.writer.full <- l.batch // never blocks
	}
	l.batch = l.writer.empty()
	return l.batch != nil
}
