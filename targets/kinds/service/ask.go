// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"

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
	spec   spec.Process
	client *http.Client
}

// newAsker keeps no connection: one that is kept would take the only place of a server
// that serves one connection at a time. An answer from elsewhere is not the service's.
func newAsker(p spec.Process) asker {
	return asker{spec: p, client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answers is nil once the service answers by HTTP, or takes a connection where no path
// is said.
func (a asker) answers(ctx context.Context) error {
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

// get returns the body of a 2xx answer, at most so many bytes.
func (a asker) get(ctx context.Context, path string, most int64) ([]byte, error) {
	url := "http://" + a.spec.Near() + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4,*/*;q=0.1")
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("GET %s: %s: %.*s", url, response.Status, maxShown, body)
	}
	return body, nil
}

// Count reads the counters that the scenario names on the service's own page; nil where
// it names none.
func (a asker) Count(ctx context.Context) (map[string]float64, error) {
	if a.spec.Service == nil || a.spec.Service.Counters == nil {
		return nil, nil
	}
	counters := *a.spec.Service.Counters
	page, err := a.get(ctx, counters.Path, maxPage)
	if err != nil {
		return nil, err
	}
	return readPage(page, counters)
}

// Close has nothing to give back.
func (asker) Close() {}

// attached is a service that runs elsewhere.
type attached struct{ asker }

// Command is an error: the service runs elsewhere.
func (*attached) Command(context.Context) (*exec.Cmd, error) { return nil, machine.ErrOnlyAsked }

// Ready is nil once the service answers as the scenario says.
func (a *attached) Ready(ctx context.Context) error { return a.answers(ctx) }
