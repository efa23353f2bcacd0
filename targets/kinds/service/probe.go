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

// prober asks a service from outside of its program.
type prober struct {
	spec    spec.Process
	client  *http.Client
	counted atomic.Bool // once the page of counters was read
}

// newProber keeps no connection: a server that serves one connection at a time would
// have no place for others. It follows no redirect: an answer from elsewhere is not
// the service's.
func newProber(p spec.Process) *prober {
	return &prober{spec: p, client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// probe is nil once the service answers by HTTP, or takes a connection where no path
// is said.
func (p *prober) probe(ctx context.Context) error {
	if path := p.spec.Service.Ready.HTTP; path != "" {
		_, err := p.get(ctx, path, maxHealth)
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.spec.LocalAddress())
	if err != nil {
		return err
	}
	return conn.Close()
}

// ReadyTimeout is what the scenario says.
func (p *prober) ReadyTimeout() time.Duration { return p.spec.Service.Ready.Within }

// get returns the body of a 2xx answer, at most so many bytes.
func (p *prober) get(ctx context.Context, path string, most int64) ([]byte, error) {
	what := "GET http://" + p.spec.LocalAddress() + shown(path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.spec.LocalAddress()+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withoutURL(err))
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4,*/*;q=0.1")
	response, err := p.client.Do(request)
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

// Count reads the counters that the scenario names on the service's own page; nil
// where it names none. When the page was read before and can't be read now, the error
// is an UnknownCountersError. Under load a service may have no time for its page,
// which is no fault of the measurement.
func (p *prober) Count(ctx context.Context) (map[string]float64, error) {
	if p.spec.Service == nil || p.spec.Service.Counters == nil {
		return nil, nil
	}
	counts, err := p.readCounters(ctx, *p.spec.Service.Counters)
	var unknown *machine.UnknownCountersError
	switch {
	case err == nil || errors.As(err, &unknown):
		p.counted.Store(true)
	case p.counted.Load():
		return nil, &machine.UnknownCountersError{Why: err}
	}
	return counts, err
}

func (p *prober) readCounters(ctx context.Context, e scenarios.Exposition) (map[string]float64, error) {
	page, err := p.get(ctx, e.Path, maxPage+1)
	if err != nil {
		return nil, err
	}
	if len(page) > maxPage {
		return nil, fmt.Errorf("GET http://%s%s: the page is longer than %d MiB: name a page under `counters:` that holds less", p.spec.LocalAddress(), shown(e.Path), maxPage>>20)
	}
	return readPage(page, e)
}

// Close has nothing to give back.
func (*prober) Close() {}

// attached is a service that runs elsewhere. Its readiness does not include its
// counters: the caller asks for them too.
type attached struct{ *prober }

// Command is an error: the service runs elsewhere.
func (*attached) Command(context.Context) (*exec.Cmd, error) { return nil, machine.ErrOnlyAsked }

// Ready is nil once the service answers as the scenario says.
func (a *attached) Ready(ctx context.Context) error { return a.probe(ctx) }
