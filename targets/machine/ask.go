// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"headroom/targets/machine/spec"
)

const (
	askTimeout = 10 * time.Second
	askBytes   = spec.MaxQuestionBytes // each way
)

// askClient keeps no connection: questions are rare, and processes come and go.
var askClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // stay inside
}

// ask answers POST /ask. It relays a question to one of this machine's own programs,
// whose ports nobody outside can reach, and relays the answer with its status. When
// ask itself refuses, the status is 4xx or 502.
func (a *agent) ask(w http.ResponseWriter, r *http.Request) {
	var q spec.Question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, askBytes)).Decode(&q); err != nil {
		http.Error(w, "the question is not JSON of at most 4 MiB: "+err.Error(), http.StatusBadRequest)
		return
	}
	address, err := a.internalAddress(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, answer, err := relayQuestion(r.Context(), "http://"+address+q.Path, q.Body)
	if err != nil {
		http.Error(w, fmt.Sprintf("process %s: %v", q.Process, err), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // who asked may have gone
}

// internalAddress is the address at which the process of a question answers it.
func (a *agent) internalAddress(q spec.Question) (string, error) {
	if !strings.HasPrefix(q.Path, "/internal/") || path.Clean(q.Path) != q.Path || strings.ContainsAny(q.Path, "?#%\\") {
		return "", fmt.Errorf("path %q: only a plain path below /internal/ can be asked", q.Path)
	}
	for _, p := range a.spec.Processes {
		if p.Name != q.Process {
			continue
		}
		if p.Facts.Server != nil || p.Service != nil {
			return "", fmt.Errorf("process %s is a %s: only programs of our own can be asked", p.Name, p.Kind)
		}
		return ownAddress(p), nil
	}
	return "", fmt.Errorf("machine %s has no process %q", a.spec.Machine, q.Process)
}

// relayQuestion gets the url, or posts the body to it when there is one.
func relayQuestion(ctx context.Context, url string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	method := http.MethodGet
	if len(body) > 0 {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := askClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, askBytes+1))
	if err != nil {
		return 0, nil, err
	}
	if len(answer) > askBytes {
		return 0, nil, fmt.Errorf("its answer is longer than %d bytes", askBytes)
	}
	return response.StatusCode, answer, nil
}
