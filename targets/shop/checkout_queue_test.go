// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"testing"

	"headroom/targets/jobs"
	"headroom/targets/jobs/jobstest"
	"headroom/targets/jobs/queue"
	"headroom/targets/program"
	"headroom/targets/shop/email"
)

func newQueueEmail(t *testing.T, address string) *email.Queue {
	t.Helper()
	confirms, stop, err := newConfirmer(t.Context(), Config{Email: "queue", Queue: address}, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return confirms.(*email.Queue)
}

func TestCheckoutLeavesJobsInTheQueue(t *testing.T) {
	server := jobstest.Start(t)
	m := newQueueEmail(t, server.Address())
	jobstest.Eventually(t, "the queue is there", func() error { return m.Ping(t.Context()) })
	s := newTestShop()
	s.handler = routes(&api{reader: s.store, writer: s.store, searcher: s.store, confirmer: m}, s.metrics, counterSource{}, nil, quiet)
	response := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`)
	if response.Code != http.StatusCreated {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	left, err := queue.Open(server.Address(), "test", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	consumer, err := left.Consumer(t.Context(), jobs.Mail)
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
	own.addJobs(m)
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
	s.handler = routes(a, s.metrics, counterSource{}, []program.Dependency{{Name: "queue", Ping: m.Ping}}, quiet)
	if got := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`).Code; got != http.StatusServiceUnavailable || len(s.store.Orders) != 0 {
		t.Errorf("answered %d, %d orders were placed", got, len(s.store.Orders))
	}
	if got := s.do(t, "GET", "/health", "").Code; got != http.StatusServiceUnavailable {
		t.Errorf("health %d", got)
	}
	// It may also go between the two writes: then the order is not acknowledged.
	a.confirmer = withoutAdmission{m}
	if got := s.do(t, "POST", "/api/checkout", `{"user":5,"item":"i","amount_cents":1}`).Code; got != http.StatusServiceUnavailable || len(s.store.Orders) != 1 {
		t.Errorf("answered %d, %d orders were placed", got, len(s.store.Orders))
	}
}

type withoutAdmission struct{ *email.Queue }

func (withoutAdmission) Admit() error { return nil }
