// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// stubbornEngine keeps one network and says that it is in use.
func stubbornEngine(t *testing.T, containers map[string]any) *client.Client {
	t.Helper()
	network := map[string]any{"Id": "n1", "Name": "headroom-x", "Labels": map[string]string{}, "Containers": containers}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any = []any{}
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusForbidden)
			answer = map[string]string{"message": "error while removing network: network headroom-x id n1 has active endpoints"}
		case strings.HasSuffix(r.URL.Path, "/networks"):
			answer = []any{network}
		case strings.HasSuffix(r.URL.Path, "/networks/n1"):
			answer = network
		case strings.HasSuffix(r.URL.Path, "/volumes"):
			answer = map[string]any{"Volumes": []any{}}
		}
		_ = json.NewEncoder(w).Encode(answer) // the test fails without it
	}))
	t.Cleanup(server.Close)
	cli, err := client.New(client.WithHost("tcp://"+strings.TrimPrefix(server.URL, "http://")), client.WithAPIVersion("1.44"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	return cli
}

// The engine's own count may be wrong for good: that is told from a container
// that is still ending, and not waited for.
func TestGhostNetworkIsGivenUp(t *testing.T) {
	everything := func(map[string]string) bool { return true }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := removeAll(ctx, stubbornEngine(t, nil), nil, everything); !errors.Is(err, ErrStuckNetwork) || ctx.Err() != nil {
		t.Errorf("an empty network that is said to be in use: %v", err)
	}
	used := map[string]any{"c1": map[string]string{"Name": "still-there"}}
	ctx, cancel = context.WithTimeout(t.Context(), stuckNetworkTimeout+500*time.Millisecond)
	defer cancel()
	_, err := removeAll(ctx, stubbornEngine(t, used), nil, everything)
	if err == nil || errors.Is(err, ErrStuckNetwork) || ctx.Err() == nil {
		t.Errorf("a network with a container: %v, before its time was over: %v", err, ctx.Err() == nil)
	}
}
