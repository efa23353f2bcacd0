// SPDX-License-Identifier: Apache-2.0

// Package dockertest is how a test gets to a Docker engine, or says that it did not.
package dockertest

import (
	"context"
	"os"
	"testing"

	"github.com/moby/moby/client"
)

// Connect returns the client that connect opens, until the test's end. With -short, and
// where no engine answers, the test is skipped. In CI an engine that does not answer
// fails the test: nobody would read that it was skipped.
func Connect(t *testing.T, connect func(context.Context) (*client.Client, error)) *client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine: skipped by -short")
	}
	cli, err := connect(t.Context())
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("CI must have Docker: %v", err)
	}
	if err != nil {
		t.Skipf("needs a Docker engine: %v", err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}
