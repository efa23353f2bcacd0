// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

const (
	maxHealth = 64 << 10 // bytes that are read of an answer that only has to come
	maxPage   = 16 << 20 // of a page of counters
	maxShown  = 200      // bytes of an answer that enter an error
)

// asker asks a service from outside of its program.
type asker struct {
	spec    spec.Process
	client  *http.Client
	counted atomic.Bool // once the page of counters was read
}

// newAsker keeps no connection: one that is kept would take the only place of a server
// that serves one connection at a time. An answer from elsewhere is not the service's.
func newAsker(p spec.Process) *asker {
	return &asker{spec: p, client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answers is nil once the service answers by HTTP, or takes a connection where no path
// is said.
func (a *asker) answers(ctx context.Context) error {
	if path := a.spec.Service.Ready.HTTP; path != "" {
		_, err := a.get(ctx, path, maxHealth)
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", a.spec.Near())
	if err != nil {
		return err
	}
	return conn.Close()
}

// ReadyWithin is what the scenario says.
func (a *asker) ReadyWithin() time.Duration { return a.spec.Service.Ready.Within }

// get returns the body of a 2xx answer, at most so many bytes.
func (a *asker) get(ctx context.Context, path string, most int64) ([]byte, error) {
	what := "GET http://" + a.spec.Near() + shown(path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.spec.Near()+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withoutURL(err))
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4,*/*;q=0.1")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withoutURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("%s: %s: %.*s", what, response.Status, maxShown, body)
	}
	return body, nil
}

// shown is a path as an error names it: a query may hold a token.
func shown(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// withoutURL is the cause of an error that names a whole URL.
func withoutURL(err error) error {
	var named *url.Error
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// Count reads the counters that the scenario names on the service's own page; nil where
// it names none. A page that was read before and can't be read now is Uncounted: under
// load a service may have no time for its page, which is no fault of the measurement.
func (a *asker) Count(ctx context.Context) (map[string]float64, error) {
	if a.spec.Service == nil || a.spec.Service.Counters == nil {
		return nil, nil
	}
	counts, err := a.readCounters(ctx, *a.spec.Service.Counters)
	var uncounted *machine.Uncounted
	switch {
	case err == nil || errors.As(err, &uncounted):
		a.counted.Store(true)
	case a.counted.Load():
		return nil, &machine.Uncounted{Why: err}
	}
	return counts, err
}

func (a *asker) readCounters(ctx context.Context, e scenarios.Exposition) (map[string]float64, error) {
	page, err := a.get(ctx, e.Path, maxPage+1)
	if err != nil {
		return nil, err
	}
	if len(page) > maxPage {
		return nil, fmt.Errorf("GET http://%s%s: the page is longer than %d MiB: name a page under `counters:` that holds less", a.spec.Near(), shown(e.Path), maxPage>>20)
	}
	return readPage(page, e)
}

// Close has nothing to give back.
func (*asker) Close() {}

// attached is a service that runs elsewhere. Whoever asks whether it is ready asks for its
// counters too.
type attached struct{ *asker }

// Command is an error: the service runs elsewhere.
func (*attached) Command(context.Context) (*exec.Cmd, error) { return nil, machine.ErrOnlyAsked }

// Ready is nil once the service answers as the scenario says.
func (a *attached) Ready(ctx context.Context) error { return a.answers(ctx) }
