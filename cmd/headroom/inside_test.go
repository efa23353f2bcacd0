// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive"
	"headroom/harness/drive/schedule"
	"headroom/scenarios"
	"headroom/targets/jobs"
	"headroom/targets/jobs/jobstest"
	"headroom/targets/jobs/queue"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// insideLimit bounds how long a program may take to stop.
const insideLimit = 30 * time.Second

// startInside runs `headroom <kind>` as a machine would, and waits until it is
// healthy at the address that answers for it.
func startInside(t *testing.T, p spec.Process, health string) *exec.Cmd {
	t.Helper()
	encoded, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("headroom", string(p.Kind))
	cmd.Env = append(os.Environ(), machine.EnvProcess+"="+string(encoded))
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState != nil {
			return // the test ended it
		}
		late := time.AfterFunc(insideLimit, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("headroom %s does not stop well: %v\n%s", p.Kind, err, &log)
		}
	})
	jobstest.Eventually(t, fmt.Sprintf("%s is healthy", p.Name), func() error { return askInside(health, "/health", "", nil) })
	return cmd
}

func askInside(address, path, body string, into any) error {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// at gives a process a free port of 127.0.0.1; the port after it may be taken
// by the process too.
func at(t *testing.T, p spec.Process) spec.Process {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.Address, p.Port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
		next, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port+1)))
		listener.Close()
		if err == nil {
			next.Close()
			return p
		}
	}
	t.Fatal("no two free ports in a row")
	return p
}

func mailProcess(t *testing.T, delay string) spec.Process {
	return at(t, spec.Process{Name: "mail", Kind: "mail", Settings: map[string]string{"delay": delay}})
}

// Killing a worker in the middle of its work loses no acknowledged job, and
// sends no mail twice: what it held comes to the next one.
func TestKilledWorkerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the queue's AckWait: skipped by -short")
	}
	const orders = 200
	nats, cache := jobstest.Start(t), miniredis.RunT(t)
	t.Cleanup(runClock(cache))
	mail := mailProcess(t, "50ms")
	startInside(t, mail, mail.LocalAddress())
	worker := func() spec.Process {
		return at(t, spec.Process{Name: "worker", Kind: "worker",
			Settings: map[string]string{"jobs": "all", "idempotent": "yes", "image_work": "1ms"},
			Links:    map[scenarios.Role][]string{"queue": {nats.Address()}, "cache": {cache.Addr()}, "mail": {mail.LocalAddress()}}})
	}
	first := worker()
	doomed := startInside(t, first, first.LocalAddress())
	publishOrders(t, nats.Address(), orders)
	counts := map[string]int64{}
	jobstest.Eventually(t, "some mails are sent", func() error {
		if err := askInside(first.LocalAddress(), "/internal/counters", "", &counts); err != nil {
			return err
		}
		if counts["mail_applied_total"] == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	if err := doomed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = doomed.Wait() // killed: that is its error
	if counts["mail_applied_total"] >= orders {
		t.Fatalf("all %d mails were sent before the kill: the test tried nothing", orders)
	}

	second := worker()
	startInside(t, second, second.LocalAddress())
	jobstest.Eventually(t, "the queue is drained", func() error {
		var left spec.Backlog
		if err := askInside(second.LocalAddress(), spec.BacklogPath, "", &left); err != nil || left == (spec.Backlog{}) {
			return err
		}
		return fmt.Errorf("left: %+v", left)
	})
	checkSentOnce(t, mail.LocalAddress(), orders)
	if err := askInside(second.LocalAddress(), "/internal/counters", "", &counts); err != nil || counts["redelivered_total"] == 0 {
		t.Errorf("counters %v, %v: nothing was redelivered, so the kill hit no job in hand", counts, err)
	}
	if n := cache.HGet("analytics:orders", "1"); n != strconv.Itoa(orders) {
		t.Errorf("analytics counted %s orders of %d", n, orders)
	}
}

// runClock lets a cache's keys expire as time goes by, which miniredis leaves to
// its user.
func runClock(cache *miniredis.Miniredis) (stop func()) {
	const step = 100 * time.Millisecond
	tick, done := time.NewTicker(step), make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				cache.FastForward(step)
			case <-done:
				return
			}
		}
	}()
	return func() {
		tick.Stop()
		close(done)
	}
}

func publishOrders(t *testing.T, address string, orders int64) {
	t.Helper()
	q, err := queue.Open(address, "test", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	jobstest.Eventually(t, "the queue is there", func() error { return q.Ping(t.Context()) })
	p := queue.NewPublisher(q)
	for order := int64(1); order <= orders; order++ {
		if err := p.Publish(t.Context(), jobs.Job{Order: order, User: 1, Email: "a@shop.example"}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkSentOnce(t *testing.T, mail string, orders int64) {
	t.Helper()
	var audit spec.EffectsQuestion
	for order := int64(1); order <= orders; order++ {
		audit.IDs = append(audit.IDs, order)
	}
	question, err := json.Marshal(audit)
	if err != nil {
		t.Fatal(err)
	}
	var seen spec.Effects
	if err := askInside(mail, spec.EffectsPath, string(question), &seen); err != nil {
		t.Fatal(err)
	}
	for _, order := range audit.IDs {
		if n := seen.Seen[order]; n != 1 {
			t.Errorf("the mail of order %d was sent %d times", order, n)
		}
	}
}

// A gateway that reaches its upstream over a link: both are wired as their
// kinds' settings and links say.
func TestGatewayOverALink(t *testing.T) {
	cache := miniredis.RunT(t)
	mail := mailProcess(t, "0s") // stands for a service: it has /health
	startInside(t, mail, mail.LocalAddress())
	ocean := at(t, spec.Process{Name: "ocean", Kind: "link",
		Settings: map[string]string{"delay": "2ms", "jitter": "1ms", "bandwidth": "1GB"},
		Links:    map[scenarios.Role][]string{"to": {mail.LocalAddress()}}})
	control := net.JoinHostPort("127.0.0.1", strconv.Itoa(ocean.Port+1))
	startInside(t, ocean, control)
	door := at(t, spec.Process{Name: "gateway", Kind: "gateway",
		Settings: map[string]string{"limiter": "sliding", "rate_limit": "1", "rate_window": "1h"},
		Links:    map[scenarios.Role][]string{"upstream": {ocean.LocalAddress()}, "cache": {cache.Addr()}}})
	startInside(t, door, door.LocalAddress())

	for i, want := range []int{http.StatusNotFound, http.StatusTooManyRequests} { // the service's own 404, then the gateway's word
		request, err := http.NewRequest("GET", "http://"+door.LocalAddress()+"/api/feed", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Session", "s1")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("request %d: %s, want %d", i+1, response.Status, want)
		}
	}
	var counts map[string]float64
	if err := askInside(control, "/internal/counters", "", &counts); err != nil || counts["bytes_total"] == 0 {
		t.Errorf("the link counts %v, %v", counts, err)
	}
}

func TestInsideRefusesAnotherKind(t *testing.T) {
	for _, kind := range []string{"worker", "gateway", "link"} {
		t.Setenv(machine.EnvProcess, `{"name":"x","kind":"valkey","port":8000}`)
		var stderr bytes.Buffer
		if code := run(t.Context(), []string{kind}, strings.NewReader(""), io.Discard, &stderr); code != exitFailure || !strings.Contains(stderr.String(), "want a process of kind "+kind) {
			t.Errorf("%s: exit code %d, %s", kind, code, &stderr)
		}
	}
}

// A job may be larger than 16 MiB, which once was the limit of whoever read it
// beside the one of whoever parsed it.
func TestLargeJobsAreRead(t *testing.T) {
	const size = 15 << 20 // 20 MiB in JSON
	var got atomic.Int64
	url := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Add(n)
	})
	encoded, err := json.Marshal(drive.Job{
		Targets:  []vegeta.Target{{Method: "POST", URL: url, Body: bytes.Repeat([]byte{'x'}, size)}},
		Arrivals: schedule.Constant, RateRPS: 10, Requests: 1, Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	if code := run(t.Context(), []string{"job"}, bytes.NewReader(encoded), io.Discard, &complaint); code != exitGood || got.Load() != size {
		t.Errorf("a job of %d bytes: exit code %d, %d bytes of its body came: %s", len(encoded), code, got.Load(), complaint.String())
	}
}
