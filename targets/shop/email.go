// SPDX-License-Identifier: Apache-2.0

package shop

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

// errBusy says that there is no room for the request now.
var errBusy = errors.New("the queue of confirmation e-mails is full: try again later")

// errMail marks a failure of the mail provider.
var errMail = errors.New("mail provider")

// email is a confirmation for the mail provider.
type email struct {
	To    string `json:"to"`
	Order int64  `json:"order"`
	Text  string `json:"text"`
	User  int64  `json:"-"` // who ordered: nothing for the provider
}

type sendEmail func(ctx context.Context, e email) error

// confirmer sends the confirmation of an order. admit comes first and may
// refuse; then either confirm, or withdraw when there is no order.
type confirmer interface {
	admit() error
	withdraw()
	confirm(ctx context.Context, e email) error
}

// mailClient posts to the provider at base. Its errors wrap errMail.
func mailClient(base string) (send sendEmail, closeIdle func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	send = func(ctx context.Context, e email) error {
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/send", bytes.NewReader(body))
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("%w: %w", errMail, err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 4096)) // read to the end, the connection can be used again
		if response.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%w: %s answered %s", errMail, base, response.Status)
		}
		return nil
	}
	return send, transport.CloseIdleConnections
}
