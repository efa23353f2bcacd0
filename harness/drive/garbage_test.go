// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"headroom/internal/racetest"
)

// serveEnv makes the test's binary a server until its standard input ends: its
// memory must not be taken for the driver's.
const serveEnv = "HEADROOM_TEST_SERVE"

func TestServeElsewhere(t *testing.T) {
	kind := os.Getenv(serveEnv)
	if kind == "" {
		t.Skip("runs as a child of TestNoGarbageForARequest only")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "hello")
	}))
	server.EnableHTTP2 = strings.HasPrefix(kind, "http2")
	if strings.HasSuffix(kind, "plain") {
		server.Start()
	} else {
		server.StartTLS()
	}
	defer server.Close()
	fmt.Println("at " + server.URL)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// serveElsewhere starts a server in a process of its own.
func serveElsewhere(t *testing.T, kind string) *target {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeElsewhere$", "-test.v")
	cmd.Env = append(os.Environ(), serveEnv+"="+kind)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, found := strings.CutPrefix(lines.Text(), "at "); found {
			return &target{url: url}
		}
	}
	t.Fatal("the server did not start")
	return nil
}

// Garbage would make the driver late by its collector. Only one small allocation for each
// TLS record read is allowed, which is crypto/tls's own.
func TestNoGarbageForARequest(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the race detector makes garbage of its own")
	}
	for kind, allowed := range map[string]float64{"plain": 0.05, "secure": 1.2, "http2 secure": 1.2} {
		t.Run(kind, func(t *testing.T) {
			tg := serveElsewhere(t, kind)
			var client Client
			defer client.Close()
			mallocs := func(requests int) float64 {
				job := jobFor(tg, 0, time.Minute)
				job.TLS.SkipVerify, job.Connections, job.Requests = true, 4, requests
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				m, err := client.Drive(t.Context(), job)
				runtime.ReadMemStats(&after)
				if err != nil || m.Succeeded != int64(requests) {
					t.Fatalf("%d of %d succeeded: %v, %v", m.Succeeded, requests, m.Errors, err)
				}
				return float64(after.Mallocs - before.Mallocs)
			}
			mallocs(100) // opens the connections
			const fewer, more = 2000, 12_000
			each := (mallocs(more) - mallocs(fewer)) / (more - fewer)
			t.Logf("%.3f allocations for a request", each)
			if each > allowed {
				t.Errorf("%.3f allocations for a request, at most %v are allowed", each, allowed)
			}
		})
	}
}
