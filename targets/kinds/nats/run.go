// SPDX-License-Identifier: Apache-2.0

package nats

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

	"headroom/targets/machine"
	"headroom/targets/machine/spec"
)

// server runs NATS with JetStream: streams on disk, which outlive the server.
type server struct {
	spec   spec.Process
	dir    string // its configuration and its streams
	client *http.Client
}

func newServer(p spec.Process, h machine.Host) *server {
	return &server{spec: p, dir: h.Dir, client: &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}}
}

func find() (string, error) { return machine.FindProgram("nats-server") }

// monitor is where the server tells about itself, on its own machine only.
func (s *server) monitor() string { return machine.NextPort(s.spec.LocalAddress()) }

// Command writes the configuration.
func (s *server) Command(context.Context) (*exec.Cmd, error) {
	config, err := configOf(s.spec, s.monitor(), filepath.Join(s.dir, "streams"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "nats.json")
	if err := os.WriteFile(path, config, 0o644); err != nil {
		return nil, err
	}
	program, err := find()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-c", path)
	// As for our own programs: it would take as many as the quota that comes later.
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(machine.GoProcs))
	return cmd, nil
}

// The maximum size of all streams together.
const (
	memoryBytes = 64 << 20
	fileBytes   = 1 << 30
)

// configOf writes the configuration, whose language has JSON in it. The rest is the
// server's default. An acknowledged message has been given to the kernel: it survives
// the death of the server, but not the death of the computer.
func configOf(p spec.Process, monitor, streams string) ([]byte, error) {
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
			"store_dir": streams, "max_memory_store": memoryBytes, "max_file_store": fileBytes,
		},
	}, "", "  ")
}

// Ready asks the monitor for the server's health.
func (s *server) Ready(ctx context.Context) error {
	_, err := machine.Get(ctx, s.client, "http://"+s.monitor()+"/healthz")
	return err
}

// Count tells of all streams and their consumers together: streams, messages and
// bytes (stored now), published_total; consumers, pending (not yet delivered),
// ack_pending (delivered, not yet acknowledged), redelivered (of those, more than
// once), delivered_total (each delivery counts), acked_total (deliveries before the
// first that is not acknowledged).
func (s *server) Count(ctx context.Context) (map[string]float64, error) {
	body, err := machine.Get(ctx, s.client, "http://"+s.monitor()+"/jsz?streams=true&consumers=true")
	if err != nil {
		return nil, err
	}
	return parseJSZ(body)
}

// Close lets go of the connection for questions.
func (s *server) Close() { s.client.CloseIdleConnections() }

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
		for _, stream := range account.Streams {
			counts["streams"]++
			counts["messages"] += stream.State.Messages
			counts["bytes"] += stream.State.Bytes
			counts["published_total"] += stream.State.LastSeq
			for _, c := range stream.Consumers {
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
