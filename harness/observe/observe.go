// SPDX-License-Identifier: Apache-2.0

// Package observe reads the counters of every machine of a system, and computes from
// two readings what the machines used during a slice.
//
// Reading is the thin edge: HTTP to the machine's agent, with a deadline. The agent's
// answer carries the run's nonce, so an answer of another process on the same port is
// an error and never a number. Use is pure.
package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"headroom/targets/machine/spec"
)

const (
	readTimeout  = 15 * time.Second // a saturated machine answers late, as its agent shares its CPU
	readyTimeout = time.Second
	maxAnswer    = 1 << 20 // bytes
	maxReason    = 500     // bytes of a refusal that enter an error
)

// ErrWrongNonce means that the answer does not come from this run's machine.
var ErrWrongNonce = errors.New("the answer does not carry this run's nonce: another process holds the port")

// Target is one machine's agent.
type Target struct {
	Machine  string // as Counters.Machine must say
	AgentURL string // http://127.0.0.1:49153
	Nonce    string
}

// client connects to a loopback port without a proxy. It keeps no connection, because
// the machine behind the port is short-lived.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Read returns the machine's counters. It gives up after 15 s.
func Read(ctx context.Context, agentURL, nonce string) (spec.Counters, error) {
	body, err := get(ctx, agentURL+"/observe", nonce, readTimeout, maxAnswer)
	if err != nil {
		return spec.Counters{}, err
	}
	var counters spec.Counters
	if err := json.Unmarshal(body, &counters); err != nil {
		return spec.Counters{}, fmt.Errorf("GET %s/observe: %w", agentURL, err)
	}
	return counters, nil
}

// ReadAll reads all targets at once, so that their windows agree, and returns
// the counters in the targets' order. The error names every machine that
// could not be read.
func ReadAll(ctx context.Context, targets []Target) ([]spec.Counters, error) {
	all := make([]spec.Counters, len(targets))
	errs := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() { all[i], errs[i] = readTarget(ctx, target) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

func readTarget(ctx context.Context, target Target) (spec.Counters, error) {
	counters, err := Read(ctx, target.AgentURL, target.Nonce)
	if err != nil {
		return counters, fmt.Errorf("observe machine %s: %w", target.Machine, err)
	}
	if counters.Machine != target.Machine {
		return counters, fmt.Errorf("observe machine %s: %s answers as machine %q", target.Machine, target.AgentURL, counters.Machine)
	}
	return counters, nil
}

// Ready asks the machine once whether all of its processes answer. nil means that they
// do, and an error holds the machine's reason. Ready gives up after 1 s.
func Ready(ctx context.Context, agentURL, nonce string) error {
	_, err := get(ctx, agentURL+"/ready", nonce, readyTimeout, maxAnswer)
	return err
}

func get(ctx context.Context, url, nonce string, timeout time.Duration, maxBytes int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return ask(request, nonce, maxBytes)
}

// ask returns the body of a 200 answer that carries the nonce and is no longer
// than maxBytes; anything else is an error.
func ask(request *http.Request, nonce string, maxBytes int) ([]byte, error) {
	what := request.Method + " " + request.URL.String()
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.Header.Get(spec.NonceHeader) != nonce {
		return nil, fmt.Errorf("%s: %w", what, ErrWrongNonce)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(maxBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(body) > maxBytes {
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes", what, maxBytes)
	}
	if response.StatusCode != http.StatusOK {
		reason := strings.TrimSpace(string(body[:min(len(body), maxReason)]))
		return nil, fmt.Errorf("%s: %s: %s", what, response.Status, reason)
	}
	return body, nil
}
