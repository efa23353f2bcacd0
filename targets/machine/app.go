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

	"headroom/targets/machine/spec"
)

// EnvProcess is the environment variable that hands one of our own programs,
// the shop, the mail provider and the like, its spec.Process as JSON.
const EnvProcess = "HEADROOM_PROCESS"

// GoProcs is GOMAXPROCS of our own programs, and of others in Go. Go follows the CPU
// quota by itself. But the quota arrives after readiness, and Go looks only now and
// then, so the value would change inside a slice, and differ with the host. Two is
// Go's own minimum for a quota below one CPU: the garbage collector and the network
// run beside a handler.
const GoProcs = 2

// maxAppAnswer bounds what we read from one of our programs.
const maxAppAnswer = 1 << 20

// app runs one of our own programs, a sub-command of this executable.
type app struct {
	spec   spec.Process
	client *http.Client
}

// countedApp is a program of our own that answers GET /internal/counters.
type countedApp struct{ *app }

// NewApp is a program of our own without counters.
func NewApp(p spec.Process, _ Host) Program { return newApp(p) }

// NewCountedApp is a program of our own with counters.
func NewCountedApp(p spec.Process, _ Host) Program { return countedApp{newApp(p)} }

func newApp(p spec.Process) *app {
	return &app{spec: p, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

// Command starts this executable again, with the program's own sub-command.
func (a *app) Command(context.Context) (*exec.Cmd, error) {
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
		"GOMAXPROCS="+strconv.Itoa(GoProcs),
	)
	return cmd, nil
}

// Ready asks for the program's health.
func (a *app) Ready(ctx context.Context) error {
	_, err := a.get(ctx, "/health")
	return err
}

// Count reads what the program tells of itself.
func (a countedApp) Count(ctx context.Context) (map[string]float64, error) {
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
	return Get(ctx, a.client, "http://"+ownAddress(a.spec)+path)
}

// Get returns the body of a 200 answer; anything else is an error.
func Get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
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

// Close lets go of the connection for questions.
func (a *app) Close() { a.client.CloseIdleConnections() }
