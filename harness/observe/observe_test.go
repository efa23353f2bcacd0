// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// agent answers every path with the status and body, as the machine's nonce n.
func agent(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(spec.NonceHeader, "n")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRead(t *testing.T) {
	counters, err := Read(t.Context(), agent(t, 200, `{"machine":"app-1","cpu_s_total":1.5}`), "n")
	if err != nil || counters.Machine != "app-1" || counters.CPUSecondsTotal != maybe.Of(1.5) || counters.MemoryBytes.Known() {
		t.Errorf("%+v, %v", counters, err)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct {
		name, url, nonce, want string
	}{
		{"another's nonce", agent(t, 200, "{}"), "mine", ErrWrongNonce.Error()},
		{"status", agent(t, 503, "postgres: starting up\n"), "n", "503 Service Unavailable: postgres: starting up"},
		{"not JSON", agent(t, 200, "<html>"), "n", "invalid character"},
		{"endless", agent(t, 200, strings.Repeat("x", maxAnswer+1)), "n", "longer than"},
		{"nobody", "http://127.0.0.1:1", "n", "refused"},
	}
	for _, test := range tests {
		if _, err := Read(t.Context(), test.url, test.nonce); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Read(t.Context(), agent(t, 200, "{}"), "mine"); !errors.Is(err, ErrWrongNonce) {
		t.Errorf("error %v is not ErrWrongNonce", err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Read(ctx, server.URL, "n"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestReadAll(t *testing.T) {
	one := Target{"app-1", agent(t, 200, `{"machine":"app-1"}`), "n"}
	two := Target{"app-2", agent(t, 200, `{"machine":"app-2"}`), "n"}
	all, err := ReadAll(t.Context(), []Target{two, one})
	if err != nil || len(all) != 2 || all[0].Machine != "app-2" || all[1].Machine != "app-1" {
		t.Errorf("%+v, %v: want the targets' order", all, err)
	}
	swapped := Target{"app-2", one.AgentURL, "n"}
	down := Target{"mail", "http://127.0.0.1:1", "n"}
	_, err = ReadAll(t.Context(), []Target{one, swapped, down})
	for _, want := range []string{`app-2: ` + one.AgentURL + ` answers as machine "app-1"`, "observe machine mail:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v without %q", err, want)
		}
	}
}

func TestReady(t *testing.T) {
	if err := Ready(t.Context(), agent(t, 200, ""), "n"); err != nil {
		t.Error(err)
	}
	if err := Ready(t.Context(), agent(t, 503, "valkey: no answer"), "n"); err == nil || !strings.Contains(err.Error(), "valkey: no answer") {
		t.Errorf("error %v, want the reason", err)
	}
}
