// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// inside is a program that answers what it was asked; /internal/long answers
// more than may be relayed, /internal/away leads elsewhere.
func inside(t *testing.T) (host string, port int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/internal/long":
			_, _ = w.Write(make([]byte, askBytes+1))
		case "/internal/away":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
		}
	}))
	t.Cleanup(server.Close)
	host, text, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func TestAsk(t *testing.T) {
	host, port := inside(t)
	a := &agent{spec: spec.Spec{Machine: "m", Nonce: "n", Processes: []spec.Process{
		{Name: "mail", Kind: "mail", Address: host, Port: port},
		{Name: "ocean", Kind: "link", Facts: scenarios.Facts{Ports: 2, Relays: true}, Address: host, Port: port - 1},
		{Name: "db", Kind: "postgres", Facts: scenarios.Facts{Server: &scenarios.Server{}}, Address: host, Port: port},
		{Name: "gone", Kind: "worker", Address: host, Port: 1},
		{Name: "web", Kind: "own", Service: &scenarios.Service{}, Address: host, Port: port},
	}}}
	handler := a.handler()
	for _, test := range []struct {
		question string
		status   int
		holds    string
	}{
		{`{"process":"mail","path":"/internal/audit","body":{"ids":[1]}}`, 418, `POST /internal/audit {"ids":[1]}`},
		{`{"process":"mail","path":"/internal/counters"}`, 418, "GET /internal/counters "},
		{`{"process":"ocean","path":"/internal/counters"}`, 418, "GET /internal/counters "},
		{`{"process":"mail","path":"/internal/away"}`, 302, ""},
		{`{"process":"mail","path":"/internal/long"}`, 502, "longer than"},
		{`{"process":"gone","path":"/internal/queue"}`, 502, "process gone"},
		{`{"process":"db","path":"/internal/x"}`, 400, "db is a postgres"},
		{`{"process":"web","path":"/internal/x"}`, 400, "web is a own: only programs of our own"},
		{`{"process":"shop","path":"/internal/x"}`, 400, `no process "shop"`},
		{`{"process":"mail","path":"/send"}`, 400, "below /internal/"},
		{`{"process":"mail","path":"/internal/../send"}`, 400, "below /internal/"},
		{`{"process":"mail","path":"/internal/%2e%2e/send"}`, 400, "below /internal/"},
		{`{"process":"mail","path":"@evil/internal/"}`, 400, "below /internal/"},
		{`not JSON`, 400, "not JSON"},
		{`{"process":"mail","path":"/internal/x","body":"` + strings.Repeat("x", askBytes) + `"}`, 400, "4 MiB"},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", spec.AskPath, strings.NewReader(test.question)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.holds) || w.Header().Get(spec.NonceHeader) != "n" {
			t.Errorf("%.80s: %d %.200s, want %d with %q", test.question, w.Code, w.Body, test.status, test.holds)
		}
	}
}

func FuzzInsideOf(f *testing.F) {
	f.Add("/internal/audit")
	f.Add("/internal/..//x")
	a := &agent{spec: spec.Spec{Processes: []spec.Process{{Name: "mail", Kind: "mail", Port: 8025}}}}
	f.Fuzz(func(t *testing.T, path string) {
		address, err := a.internalAddress(spec.Question{Process: "mail", Path: path})
		if err != nil {
			return
		}
		request, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err == nil && (request.URL.Host != "127.0.0.1:8025" || !strings.HasPrefix(request.URL.Path, "/internal/") || strings.Contains(request.URL.Path, "..")) {
			text, _ := json.Marshal(path)
			t.Errorf("%s leads to %s", text, request.URL)
		}
	})
}
