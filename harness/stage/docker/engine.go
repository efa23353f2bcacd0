// SPDX-License-Identifier: Apache-2.0

// Package docker is the stage that stands on a Docker engine: one container a
// machine, one network a run, and a driver's container in the same network.
//
//  1. Connect finds the engine. Open sweeps what dead owners left, makes the
//     run's network and starts the reaper, a child that outlives us.
//  2. EnsureImages builds and pulls the images of the user's own, and EnsureDataset
//     fills the volume that the databases start from. Data of an image of the user's
//     own are made in that image.
//  3. Start brings a topology up, in the order of its links. It returns a running
//     System or has cleaned up. A machine of a user's image with limits: start has
//     its share of CPU from its start; SetCPUQuotas, after the warm-up, gives every
//     machine its share. No agent runs in the user's images: a container beside such
//     machines, the observer, answers for them. Meter tells what the engine counts of
//     them besides.
//  4. StartDriver starts a container inside the network, in which Exec runs the
//     driver.
//  5. Close removes everything; if we die first, the reaper does, and if that
//     dies too, the next Open or Sweep does.
//
// Containers are made with testcontainers-go. The engine's client does what that
// library can't: exec with a stdin, CPU updates, removal by label.
package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

const connectTimeout = 10 * time.Second

// ErrUnavailable means that there is no engine to talk to, or that this user
// may not. errors.Is finds it in what Connect and Open return.
var ErrUnavailable = errors.New("docker is not available")

// loopback is where machines publish their agent, and nothing else is published.
const loopback = "127.0.0.1"

// configure sets two variables of testcontainers before its first use, unless the
// user has set them. It starts no reaper container: the container's image may not be
// there, and Reap does its work. It uses the loopback address: inside a container it
// would guess a gateway where nothing of ours listens.
var configure = sync.OnceFunc(func() {
	for name, value := range map[string]string{
		"TESTCONTAINERS_RYUK_DISABLED": "true",
		"TESTCONTAINERS_HOST_OVERRIDE": loopback,
	} {
		if _, set := os.LookupEnv(name); !set {
			// Setenv fails only for a malformed name.
			_ = os.Setenv(name, value)
		}
	}
	log.SetDefault(log.NewNoopLogger())
})

// Connect returns a client of the Docker engine that DOCKER_HOST names, or
// else the current Docker context, or else the usual sockets, after the engine
// has answered. It gives up after 10 s. The caller closes the client. An error
// is an ErrUnavailable and says what to do.
func Connect(ctx context.Context) (*client.Client, error) {
	configure()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	cli, err := newClient(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	if _, err := cli.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		_ = cli.Close()
		return nil, unavailable(err)
	}
	return cli, nil
}

func newClient(ctx context.Context) (*client.Client, error) {
	// When DOCKER_HOST does not answer, testcontainers takes another engine that does.
	// A user who set DOCKER_HOST did not ask for that.
	if os.Getenv(client.EnvOverrideHost) != "" {
		return client.New(client.FromEnv)
	}
	cli, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, err
	}
	return cli.Client, nil
}

func unavailable(err error) error {
	remedy := "start it (systemctl start docker, or Docker Desktop), or set DOCKER_HOST to one that runs"
	if strings.Contains(err.Error(), "permission denied") {
		remedy = "add your user to the docker group (sudo usermod -aG docker $USER, then log in again)"
	}
	return fmt.Errorf("%w: %w; %s", ErrUnavailable, err, remedy)
}

// checkLocal refuses an engine on another host: the agents' ports are
// published on its loopback address, where we could not reach them.
func checkLocal(daemonHost string) error {
	u, err := url.Parse(daemonHost)
	if err != nil {
		return fmt.Errorf("docker engine address %q: %w", daemonHost, err)
	}
	if u.Scheme == "unix" || u.Scheme == "npipe" || u.Hostname() == "localhost" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("docker engine %s is on another host, where headroom cannot reach the machines' loopback ports: run headroom there, or unset DOCKER_HOST", daemonHost)
}

// explainNetwork adds the remedy to what the engine says when it has no
// subnet left to give.
func explainNetwork(err error) error {
	text := err.Error()
	if strings.Contains(text, "non-overlapping IPv4 address pool") || strings.Contains(text, "address pools have been fully subnetted") {
		return fmt.Errorf("docker has no subnet left for the run's network: %w; remove leftovers with `headroom clean`, then unused networks with `docker network prune`", err)
	}
	return fmt.Errorf("create the run's network: %w", err)
}
