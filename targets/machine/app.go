// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"headroom/targets/machine/spec"
)

// EnvProcess is the environment variable that hands one of our own programs,
// the shop, the mail provider and the like, its spec.Process as JSON.
const EnvProcess = "HEADROOM_PROCESS"

// appProcs is GOMAXPROCS of our own programs. Go follows the CPU quota by
// itself, but the quota arrives after readiness and Go looks again only now and
// then, so that the value would change inside a slice and differ with the host.
// Two, its own least for a quota below one CPU, let the garbage collector and
// the network run beside a handler.
const appProcs = 2

// maxAppAnswer bounds what we read from one of our programs.
const maxAppAnswer = 1 << 20

// app runs one of our own programs, a sub-command of this executable.
type app struct {
	spec    spec.Process
	client  *http.Client
	counted bool // has /internal/counters
}

func newApp(p spec.Process, counted bool) *app {
	return &app{spec: p, counted: counted, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

func (a *app) command(context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(a.spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, string(a.spec.Kind))
	cmd.Env = append(os.Environ(),
		EnvProcess+"="+string(encoded),
		"GOMAXPROCS="+strconv.Itoa(appProcs),
	)
	return cmd, nil
}

func (a *app) ready(ctx context.Context) error {
	_, err := a.get(ctx, "/health")
	return err
}

func (a *app) settle(context.Context) error { return nil }

func (a *app) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (a *app) counts(ctx context.Context) (map[string]float64, error) {
	if !a.counted {
		return nil, nil
	}
	body, err := a.get(ctx, "/internal/counters")
	if err != nil {
		return nil, err
	}
	var counts map[string]float64
	if err := json.Unmarshal(body, &counts); err != nil {
		return nil, fmt.Errorf("/internal/counters: %w", err)
	}
	if len(counts) == 0 {
		return nil, errors.New("/internal/counters: no counters")
	}
	return counts, nil
}

// get asks the program about itself.
func (a *app) get(ctx context.Context, path string) ([]byte, error) {
	return get(ctx, a.client, "http://"+ownAddress(a.spec)+path)
}

// get returns the body of a 200 answer; anything else is an error.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAppAnswer))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %.200s", url, res.Status, body)
	}
	return body, nil
}

func (a *app) close() { a.client.CloseIdleConnections() }
