// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"headroom/scenarios"
)

// fakeEngine answers what Pause asks an engine, and keeps what was asked.
type fakeEngine struct {
	mu       sync.Mutex
	names    []string // of running containers; the id of the k-th is id-k
	asked    []string
	unpauses []int // statuses of the answers to come; then 204
	onPause  func()
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	what := r.URL.Path[strings.Index(r.URL.Path, "/containers/")+len("/containers/"):]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case what == "json":
		if !strings.Contains(r.URL.Query().Get("filters"), labelRun+"=run-1") {
			http.Error(w, `{"message":"not by the run's label"}`, http.StatusBadRequest)
			return
		}
		var list []map[string]any
		for i, name := range e.names {
			list = append(list, map[string]any{"Id": fmt.Sprintf("id-%d", i), "Names": []string{"/" + name}})
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	case strings.HasSuffix(what, "/unpause") && len(e.unpauses) > 0:
		status := e.unpauses[0]
		e.unpauses = e.unpauses[1:]
		e.asked = append(e.asked, fmt.Sprintf("%s: %d", what, status))
		http.Error(w, `{"message":"no"}`, status)
		return
	case strings.HasSuffix(what, "/pause") && e.onPause != nil:
		e.onPause()
	}
	e.asked = append(e.asked, what)
	w.WriteHeader(http.StatusNoContent)
}

func (e *fakeEngine) client(t *testing.T) *client.Client {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	cli, err := client.New(client.WithHost("tcp://"+strings.TrimPrefix(server.URL, "http://")), client.WithAPIVersion("1.44"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

var pausedNames = []string{"headroom-run-1-block-2-after-database", "headroom-run-1-block-2-before-database", "headroom-run-1-block-2-before-app-1"}

func TestPauseLetsTheMachineGoOn(t *testing.T) {
	engine := &fakeEngine{names: pausedNames, unpauses: []int{http.StatusInternalServerError}}
	began, ended, err := Pause(t.Context(), engine.client(t), "run-1", scenarios.Before, "database", 50*time.Millisecond)
	if err != nil || ended.Sub(began) < 50*time.Millisecond {
		t.Errorf("from %v to %v, %v", began, ended, err)
	}
	if want := []string{"id-1/pause", "id-1/unpause: 500", "id-1/unpause"}; !slices.Equal(engine.asked, want) {
		t.Errorf("asked %v, want %v", engine.asked, want)
	}
}

// A bench that is stopped during the pause leaves nothing standing still.
func TestPauseLetsTheMachineGoOnWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	engine := &fakeEngine{names: pausedNames}
	engine.onPause = func() { time.AfterFunc(20*time.Millisecond, cancel) }
	_, _, err := Pause(ctx, engine.client(t), "run-1", scenarios.Before, "database", time.Minute)
	if err == nil || ctx.Err() == nil {
		t.Errorf("it waited out its minute: %v", err)
	}
	if want := []string{"id-1/pause", "id-1/unpause"}; !slices.Equal(engine.asked, want) {
		t.Errorf("asked %v, want %v", engine.asked, want)
	}
}

func TestPauseNeedsOneMachine(t *testing.T) {
	for _, names := range [][]string{nil, pausedNames[:1], {pausedNames[1], "headroom-run-1-block-3-before-database"}} {
		engine := &fakeEngine{names: names}
		_, _, err := Pause(t.Context(), engine.client(t), "run-1", scenarios.Before, "database", time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "not one") || len(engine.asked) > 0 {
			t.Errorf("%v: %v, asked %v", names, err, engine.asked)
		}
	}
}
