// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// nats runs NATS with JetStream: streams on disk, which outlive the server.
type nats struct {
	spec   spec.Process
	dir    string // its configuration and its streams
	client *http.Client
}

func newNATS(p spec.Process, dir string) *nats {
	return &nats{spec: p, dir: dir, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

// monitor is where the server tells about itself, on its own machine only.
func (n *nats) monitor() string { return nextPort(n.spec.Near()) }

func (n *nats) command(context.Context) (*exec.Cmd, error) {
	config, err := natsConfig(n.spec, n.monitor(), filepath.Join(n.dir, "streams"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(n.dir, "nats.json")
	if err := os.WriteFile(path, config, 0o644); err != nil {
		return nil, err
	}
	program, err := find(scenarios.KindNATS)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-c", path)
	// As for our own programs: it would take as many as the quota that comes later.
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(appProcs))
	return cmd, nil
}

// Limits of all streams together.
const (
	natsMemoryBytes = 64 << 20
	natsFileBytes   = 1 << 30
)

// natsConfig writes the configuration, whose language has JSON in it. The rest
// is the server's default: what is acknowledged has been given to the kernel,
// and survives the death of the server but not that of the computer.
func natsConfig(p spec.Process, monitor, streams string) ([]byte, error) {
	host, _, err := net.SplitHostPort(p.Listen())
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return json.MarshalIndent(map[string]any{
		"host": host, "port": p.Port, "http": monitor,
		"jetstream": map[string]any{
			"store_dir": streams, "max_memory_store": natsMemoryBytes, "max_file_store": natsFileBytes,
		},
	}, "", "  ")
}

func (n *nats) ready(ctx context.Context) error {
	_, err := get(ctx, n.client, "http://"+n.monitor()+"/healthz")
	return err
}

func (n *nats) settle(context.Context) error { return nil }

func (n *nats) stopSignal() syscall.Signal { return syscall.SIGTERM }

func (n *nats) counts(ctx context.Context) (map[string]float64, error) {
	body, err := get(ctx, n.client, "http://"+n.monitor()+"/jsz?streams=true&consumers=true")
	if err != nil {
		return nil, err
	}
	return parseJSZ(body)
}

func (n *nats) close() { n.client.CloseIdleConnections() }

// jsz is what we read of the answer to /jsz?streams=true&consumers=true.
type jsz struct {
	Accounts []struct {
		Streams []struct {
			State struct {
				Messages float64 `json:"messages"`
				Bytes    float64 `json:"bytes"`
				LastSeq  float64 `json:"last_seq"`
			} `json:"state"`
			Consumers []struct {
				Pending     float64 `json:"num_pending"`
				AckPending  float64 `json:"num_ack_pending"`
				Redelivered float64 `json:"num_redelivered"`
				Delivered   struct {
					Consumer float64 `json:"consumer_seq"`
				} `json:"delivered"`
				AckFloor struct {
					Consumer float64 `json:"consumer_seq"`
				} `json:"ack_floor"`
			} `json:"consumer_detail"`
		} `json:"stream_detail"`
	} `json:"account_details"`
}

// parseJSZ adds up over all streams and consumers.
func parseJSZ(text []byte) (map[string]float64, error) {
	var answer *jsz
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("/jsz: %w", err)
	}
	if answer == nil {
		return nil, fmt.Errorf("/jsz: answers %.40q", text)
	}
	counts := map[string]float64{
		"streams": 0, "messages": 0, "bytes": 0, "published_total": 0,
		"consumers": 0, "pending": 0, "ack_pending": 0, "redelivered": 0, "delivered_total": 0, "acked_total": 0,
	}
	for _, account := range answer.Accounts {
		for _, s := range account.Streams {
			counts["streams"]++
			counts["messages"] += s.State.Messages
			counts["bytes"] += s.State.Bytes
			counts["published_total"] += s.State.LastSeq
			for _, c := range s.Consumers {
				counts["consumers"]++
				counts["pending"] += c.Pending
				counts["ack_pending"] += c.AckPending
				counts["redelivered"] += c.Redelivered
				counts["delivered_total"] += c.Delivered.Consumer
				counts["acked_total"] += c.AckFloor.Consumer
			}
		}
	}
	return counts, nil
}
