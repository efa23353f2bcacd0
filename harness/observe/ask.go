// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"headroom/targets/machine/spec"
)

const (
	askTimeout   = 15 * time.Second // the agent's own limit, and a saturated machine's lateness
	maxAskAnswer = 4 << 20          // bytes, as the agent's
)

// Ask asks one of a machine's own programs a question; path lies below /internal/. body
// is JSON for a POST, and without a body the request is a GET. The error names the
// machine and the process, and holds the reason of an answer that is not 200. Ask gives
// up after 15 s.
func Ask(ctx context.Context, target Target, process, path string, body json.RawMessage) ([]byte, error) {
	answer, err := askAgent(ctx, target, spec.Question{Process: process, Path: path, Body: body})
	if err != nil {
		return nil, fmt.Errorf("ask %s/%s for %s: %w", target.Machine, process, path, err)
	}
	return answer, nil
}

func askAgent(ctx context.Context, target Target, question spec.Question) ([]byte, error) {
	encoded, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.AgentURL+spec.AskPath, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.Header.Get(spec.NonceHeader) != target.Nonce {
		return nil, ErrWrongNonce
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAskAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAskAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAskAnswer)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(answer[:min(len(answer), maxReason)])))
	}
	return answer, nil
}
