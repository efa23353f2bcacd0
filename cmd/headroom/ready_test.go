// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

// The health check of a container is this command's exit code.
func TestReady(t *testing.T) {
	const address = "127.83.0.7" // nobody else's
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(spec.AgentPort)))
	if err != nil {
		t.Fatal(err)
	}
	status, nonce := http.StatusOK, "mine"
	agent := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(spec.NonceHeader, nonce)
		w.WriteHeader(status)
		_, _ = w.Write([]byte("shop: not started"))
	}))
	agent.Listener.Close()
	agent.Listener = listener
	agent.Start()
	defer agent.Close()
	told, err := json.Marshal(spec.Spec{
		Machine: "app-1", Nonce: "mine", Local: &spec.Local{Address: address},
		Processes: []spec.Process{{Name: "shop", Kind: "shop", Port: 8000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(spec.EnvSpec, string(told))

	for _, test := range []struct {
		status int
		nonce  string
		code   int
		says   string
	}{
		{http.StatusOK, "mine", exitGood, ""},
		{http.StatusServiceUnavailable, "mine", exitFailure, "shop: not started"},
		{http.StatusOK, "another's", exitFailure, "nonce"},
	} {
		status, nonce = test.status, test.nonce
		var errors bytes.Buffer
		code := run(t.Context(), []string{"ready"}, nil, &bytes.Buffer{}, &errors)
		if code != test.code || !strings.Contains(errors.String(), test.says) {
			t.Errorf("status %d, nonce %s: exit code %d, %q; want %d and %q", test.status, test.nonce, code, errors.String(), test.code, test.says)
		}
	}
}
