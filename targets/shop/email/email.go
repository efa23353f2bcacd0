// SPDX-License-Identifier: Apache-2.0

// Package email sends the confirmation of an order, in one of three ways: Inline
// within the request, Background after the answer, from a queue in memory, and Queue
// by workers, from a queue of jobs. With each way Admit comes first and may refuse;
// then comes either Confirm, or Withdraw when there is no order.
package email

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrBusy says that there is no room for the request now.
var ErrBusy = errors.New("the queue of confirmation e-mails is full: try again later")

// ErrProvider marks a failure of the mail provider.
var ErrProvider = errors.New("mail provider")

// Message is a confirmation for the mail provider.
type Message struct {
	To    string `json:"to"`
	Order int64  `json:"order"`
	Text  string `json:"text"`
	User  int64  `json:"-"` // who ordered: nothing for the provider
}

// Send hands a message to the provider.
type Send func(ctx context.Context, m Message) error

// Client posts to the provider at base. Its errors wrap ErrProvider.
func Client(base string) (send Send, closeIdle func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	send = func(ctx context.Context, m Message) error {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/send", bytes.NewReader(body))
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProvider, err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 4096)) // read to the end, the connection can be used again
		if response.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%w: %s answered %s", ErrProvider, base, response.Status)
		}
		return nil
	}
	return send, transport.CloseIdleConnections
}
