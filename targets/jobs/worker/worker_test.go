// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/targets/jobs"
	"headroom/targets/jobs/jobstest"
	"headroom/targets/jobs/queue"
	"headroom/targets/machine/spec"
)

// provider is a mail provider that keeps what it sent, refuses a second mail
// with the same key, and breaks the first connections after it has sent.
type provider struct {
	*httptest.Server
	entered chan struct{} // one for each mail that has come in, if not nil
	proceed chan struct{} // each mail waits for it, if not nil

	mu     sync.Mutex
	breaks int
	sent   map[int64]int
	keys   map[string]bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{sent: map[int64]int{}, keys: map[string]bool{}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.send))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) send(w http.ResponseWriter, r *http.Request) {
	var mail struct {
		Order int64 `json:"order"`
	}
	if err := json.NewDecoder(r.Body).Decode(&mail); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if p.entered != nil {
		p.entered <- struct{}{}
		<-p.proceed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if p.keys[key] {
			return // 200
		}
		p.keys[key] = true
	}
	p.sent[mail.Order]++
	if p.breaks > 0 {
		p.breaks--
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (p *provider) times(order int64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[order]
}

// bench is a queue, a cache and a provider for workers.
type bench struct {
	config    Config
	cache     *miniredis.Miniredis
	mail      *provider
	queue     *queue.Queue
	publisher *queue.Publisher
}

func newBench(t *testing.T, kinds ...jobs.Kind) *bench {
	t.Helper()
	b := &bench{cache: miniredis.RunT(t), mail: newProvider(t)}
	address := jobstest.Start(t).Address()
	q, err := queue.Open(address, "test", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	jobstest.Eventually(t, "the queue is there", func() error { return q.Ping(t.Context()) })
	b.queue, b.publisher = q, queue.NewPublisher(q)
	b.config = Config{Listen: freeAddress(t), Queue: address, Cache: b.cache.Addr(), Mail: b.mail.URL, Jobs: kinds, Idempotent: true}
	return b
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// start runs a worker until stop, which returns what Run returned.
func (b *bench) start(t *testing.T) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, b.config, io.Discard) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	jobstest.Eventually(t, "the worker is healthy", func() error { return b.ask("/health", nil) })
	return stop
}

func (b *bench) ask(path string, into any) error {
	response, err := http.Get("http://" + b.config.Listen + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

func (b *bench) publish(t *testing.T, orders ...int64) {
	t.Helper()
	for _, order := range orders {
		if err := b.publisher.Publish(t.Context(), jobs.Job{Order: order, User: 7, Email: "a@shop.example"}); err != nil {
			t.Fatal(err)
		}
	}
}

// drained waits until the worker says that nothing is left.
func (b *bench) drained(t *testing.T) {
	t.Helper()
	jobstest.Eventually(t, "the queue is drained", func() error {
		var left spec.Backlog
		if err := b.ask(spec.BacklogPath, &left); err != nil {
			return err
		}
		if left != (spec.Backlog{}) {
			return fmt.Errorf("left: %+v", left)
		}
		return nil
	})
}

func (b *bench) counts(t *testing.T) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	if err := b.ask("/internal/counters", &counts); err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestWorkerDoesEachJobOnce(t *testing.T) {
	b := newBench(t, jobs.Kinds()...)
	b.config.ImageWork = time.Millisecond
	b.publish(t, 1, 2)
	stop := b.start(t)
	b.publish(t, 3)
	b.drained(t)
	for order := int64(1); order <= 3; order++ {
		if n := b.mail.times(order); n != 1 {
			t.Errorf("the mail of order %d was sent %d times", order, n)
		}
	}
	if n := b.cache.HGet(ordersKey, "7"); n != "3" {
		t.Errorf("analytics counted %q orders", n)
	}
	c := b.counts(t)
	if c["applied_total"] != 9 || c["mail_applied_total"] != 3 || c["image_applied_total"] != 3 || c["analytics_applied_total"] != 3 ||
		c["delivered_total"] != 9 || c["failed_total"]+c["skipped_total"]+c["redelivered_total"]+c["reordered_total"] != 0 {
		t.Errorf("counters %v", c)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The planted bug: a worker that cannot know whether its mail got out sends it
// again. With marks and keys it does not.
func TestRedeliveryIsAppliedOnceOnlyWhenIdempotent(t *testing.T) {
	for _, test := range []struct {
		idempotent bool
		sent       int
	}{{true, 1}, {false, 2}} {
		b := newBench(t, jobs.Mail)
		b.config.Idempotent, b.mail.breaks = test.idempotent, 1
		b.publish(t, 1)
		b.start(t)
		b.drained(t)
		if n := b.mail.times(1); n != test.sent {
			t.Errorf("idempotent %v: the mail was sent %d times, want %d", test.idempotent, n, test.sent)
		}
		if c := b.counts(t); c["failed_total"] != 1 || c["redelivered_total"] != 1 || c["mail_skipped_total"] != int64(2-test.sent) {
			t.Errorf("idempotent %v: counters %v", test.idempotent, c)
		}
	}
}

// What is marked as done is not done again, whoever delivers it.
func TestJobThatIsDoneIsSkipped(t *testing.T) {
	b := newBench(t, jobs.Kinds()...)
	for _, kind := range jobs.Kinds() {
		if err := b.cache.Set(markOf(kind.ID(1)), doneMark); err != nil {
			t.Fatal(err)
		}
	}
	b.publish(t, 1)
	b.start(t)
	b.drained(t)
	if c := b.counts(t); c["skipped_total"] != 3 || c["applied_total"] != 0 || b.mail.times(1) != 0 || b.cache.Exists(ordersKey) {
		t.Errorf("counters %v, %d mails", c, b.mail.times(1))
	}
}

// A claim that a dead worker left ends, and then the job is done.
func TestClaimOfADeadWorkerEnds(t *testing.T) {
	b := newBench(t, jobs.Mail)
	if err := b.cache.Set(markOf(jobs.Mail.ID(1)), "another"); err != nil {
		t.Fatal(err)
	}
	b.publish(t, 1)
	b.start(t)
	jobstest.Eventually(t, "the job was delivered", func() error {
		if b.counts(t)["delivered_total"] == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if n := b.mail.times(1); n != 0 {
		t.Errorf("sent %d times while another has it in hand", n)
	}
	b.cache.Del(markOf(jobs.Mail.ID(1)))
	b.drained(t)
	if c := b.counts(t); b.mail.times(1) != 1 || c["failed_total"] != 0 || c["applied_total"] != 1 {
		t.Errorf("sent %d times, counters %v", b.mail.times(1), c)
	}
}

// With the cache away jobs wait; none is lost.
func TestCacheAwayLosesNothing(t *testing.T) {
	b := newBench(t, jobs.Mail)
	b.start(t)
	b.cache.SetError("LOADING")
	b.publish(t, 1)
	jobstest.Eventually(t, "the job failed", func() error {
		if b.counts(t)["failed_total"] == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if err := b.ask("/health", nil); err == nil {
		t.Error("healthy without its cache")
	}
	b.cache.SetError("")
	b.drained(t)
	if n := b.mail.times(1); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// A worker that is told to stop finishes what it has in hand and gives back
// the rest, at once.
func TestStopFinishesAndGivesBack(t *testing.T) {
	b := newBench(t, jobs.Mail)
	b.mail.entered, b.mail.proceed = make(chan struct{}, 4*mailSlots), make(chan struct{})
	stop := b.start(t)
	for order := int64(1); order <= 2*mailSlots; order++ {
		b.publish(t, order)
	}
	for range mailSlots {
		<-b.mail.entered
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	jobstest.Eventually(t, "the stop began", func() error {
		if b.ask("/health", nil) == nil {
			return errors.New("still healthy")
		}
		return nil
	})
	close(b.mail.proceed)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	done := int64(0)
	for order := int64(1); order <= 2*mailSlots; order++ {
		done += int64(b.mail.times(order))
	}
	// The server counts an acknowledgement a moment after it got it.
	jobstest.Eventually(t, "what is not done is left", func() error {
		left, err := b.queue.Backlog(t.Context(), []jobs.Kind{jobs.Mail})
		if err == nil && (done < mailSlots || done+left.Pending+left.AckPending != 2*mailSlots) {
			err = fmt.Errorf("%d done, left %+v of %d", done, left, 2*mailSlots)
		}
		return err
	})
	b.start(t)
	b.drained(t)
	for order := int64(1); order <= 2*mailSlots; order++ {
		if n := b.mail.times(order); n != 1 {
			t.Errorf("the mail of order %d was sent %d times", order, n)
		}
	}
}

func TestUnreadableJobIsDropped(t *testing.T) {
	b := newBench(t, jobs.Mail)
	if err := b.publisher.Publish(t.Context(), jobs.Job{Order: -1}); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	b.drained(t)
	if c := b.counts(t); c["failed_total"] != 1 || c["applied_total"] != 0 {
		t.Errorf("counters %v", c)
	}
}

func TestQueueGoesAndComesBack(t *testing.T) {
	b := newBench(t, jobs.Mail)
	server := jobstest.Start(t)
	b.config.Queue = server.Address()
	b.start(t)
	server.Stop()
	jobstest.Eventually(t, "the loss is noticed", func() error {
		if b.ask("/health", nil) == nil {
			return errors.New("still healthy")
		}
		return nil
	})
	server.Restart()
	jobstest.Eventually(t, "it is back", func() error { return b.ask("/health", nil) })
	q, err := queue.Open(server.Address(), "test", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	jobstest.Eventually(t, "the queue is there", func() error { return q.Ping(t.Context()) })
	if err := queue.NewPublisher(q).Publish(t.Context(), jobs.Job{Order: 5}); err != nil {
		t.Fatal(err)
	}
	jobstest.Eventually(t, "the job is done", func() error {
		if b.mail.times(5) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
}
