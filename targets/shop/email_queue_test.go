// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"testing"

	"headroom/targets/jobs"
	"headroom/targets/jobs/jobstest"
)

func newQueueEmail(t *testing.T, address string) *queueEmail {
	t.Helper()
	confirms, stop, err := newConfirmer(t.Context(), Config{Email: "queue", Queue: address}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return confirms.(*queueEmail)
}

func TestCheckoutLeavesJobsInTheQueue(t *testing.T) {
	m := newQueueEmail(t, jobstest.Start(t).Address())
	jobstest.Eventually(t, "the queue is there", func() error { return m.queue.Ping(t.Context()) })
	s := newTestShop()
	s.handler = routes(&api{reader: s.store, writer: s.store, searcher: s.store, confirmer: m}, s.metrics, counterSource{}, nil, quiet())
	response := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`)
	if response.Code != http.StatusCreated {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	consumer, err := m.queue.Consumer(t.Context(), jobs.Mail)
	if err != nil {
		t.Fatal(err)
	}
	message, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	job, err := jobs.Parse(message.Data())
	if err != nil || job.Order != 9 || job.User != 5 || job.Email != "buyer@shop.example" || job.Text == "" {
		t.Errorf("%+v, %v", job, err)
	}
	own := counterSource{}
	m.count(own)
	if own["jobs_published_total"]() != 3 || own["jobs_publish_errors_total"]() != 0 {
		t.Errorf("%v published, %v failed", own["jobs_published_total"](), own["jobs_publish_errors_total"]())
	}
}

// With the queue away nothing is written and nobody is promised anything.
func TestCheckoutWithTheQueueAway(t *testing.T) {
	server := jobstest.Start(t)
	server.Stop()
	m := newQueueEmail(t, server.Address())
	s := newTestShop()
	a := &api{reader: s.store, writer: s.store, searcher: s.store, confirmer: m}
	s.handler = routes(a, s.metrics, counterSource{}, []dependency{{"queue", m.queue.Ping}}, quiet())
	if got := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`).Code; got != http.StatusServiceUnavailable || len(s.store.orders) != 0 {
		t.Errorf("answered %d, %d orders were placed", got, len(s.store.orders))
	}
	if got := s.do(t, "GET", "/health", "").Code; got != http.StatusServiceUnavailable {
		t.Errorf("health %d", got)
	}
	// It may also go between the two writes: then the order is not acknowledged.
	a.confirmer = withoutAdmission{m}
	if got := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`).Code; got != http.StatusServiceUnavailable || len(s.store.orders) != 1 {
		t.Errorf("answered %d, %d orders were placed", got, len(s.store.orders))
	}
}

type withoutAdmission struct{ *queueEmail }

func (withoutAdmission) admit() error { return nil }
