// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

func TestAsk(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + string(body)
		w.Header().Set(spec.NonceHeader, "n")
		_, _ = io.WriteString(w, `{"seen":{"1":2}}`)
	}))
	defer server.Close()
	target := Target{Machine: "mail", AgentURL: server.URL, Nonce: "n"}
	answer, err := Ask(t.Context(), target, "mail", "/internal/audit", []byte(`{"ids":[1]}`))
	if err != nil || string(answer) != `{"seen":{"1":2}}` {
		t.Errorf("%s, %v", answer, err)
	}
	if want := `POST /ask {"process":"mail","path":"/internal/audit","body":{"ids":[1]}}`; asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
	if _, err := Ask(t.Context(), target, "mail", "/internal/counters", nil); err != nil || strings.Contains(asked, "body") {
		t.Errorf("asked %s, %v: want no body", asked, err)
	}
}

func TestAskRefuses(t *testing.T) {
	for _, test := range []struct {
		name, url, nonce, want string
	}{
		{"another's nonce", agent(t, 200, "{}"), "mine", ErrWrongNonce.Error()},
		{"status", agent(t, 502, "process mail: refused\n"), "n", "502 Bad Gateway: process mail: refused"},
		{"endless", agent(t, 200, strings.Repeat("x", maxAskAnswer+1)), "n", "longer than"},
		{"nobody", "http://127.0.0.1:1", "n", "refused"},
	} {
		_, err := Ask(t.Context(), Target{"app-1", test.url, test.nonce}, "shop", "/internal/x", nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "ask app-1/shop for /internal/x") {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Ask(t.Context(), Target{"app-1", agent(t, 200, "{}"), "mine"}, "shop", "/internal/x", nil); !errors.Is(err, ErrWrongNonce) {
		t.Errorf("error %v is not ErrWrongNonce", err)
	}
}
