// SPDX-License-Identifier: Apache-2.0

// Package stage says what a stage is: a place where the systems of a run stand,
// such as a Docker engine or this computer's own processes. It holds what all
// stages need.
//
// A stage knows no driver and no kind of process. Starting a system is the same
// everywhere: a Topology becomes machines, each machine a `headroom machine`
// that is told what it runs.
package stage

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Stage is where the systems of one run stand.
type Stage interface {
	// Start returns a running system, or an error after cleaning up.
	Start(ctx context.Context, r Request) (System, error)
	// Exec runs `headroom args` where the systems' entries can be reached, one command
	// at a time, and returns what it wrote. When ctx ends the command is asked to end,
	// and killed a few seconds later. Exec then returns the output so far, with ctx's
	// error. The error of a command that fails holds the last lines of its log.
	Exec(ctx context.Context, stdin []byte, args ...string) (stdout []byte, err error)
	// Describe adds what the stage knows of where a run is measured.
	Describe(ctx context.Context, e *record.Environment) error
	// Close removes everything that the stage started, whether ctx has ended or not.
	Close(ctx context.Context) error
}

// Request says what is to be started.
type Request struct {
	Variant  scenarios.Variant
	Topology scenarios.Topology
	Instance string // tells the starts of a run apart: "block-1"
	// ReadyTimeout is how long each machine may take until it is ready; 0 is
	// DefaultReadyTimeout.
	ReadyTimeout time.Duration
}

// Timeout is ReadyTimeout, or its default.
func (r Request) Timeout() time.Duration {
	if r.ReadyTimeout == 0 {
		return DefaultReadyTimeout
	}
	return r.ReadyTimeout
}

// TimeoutOf is Timeout, or the time that the machine's services say they need, where
// that is longer. They start one after the other.
func (r Request) TimeoutOf(m scenarios.Machine) time.Duration {
	within := time.Duration(0)
	for _, p := range m.Processes {
		if p.Service != nil {
			within += p.Service.Ready.Within
		}
	}
	return max(r.Timeout(), within)
}

// System is one running variant.
type System interface {
	EntryURL(from string) string // as Exec reaches it; "" is the main entry
	Machines() []Machine         // in the topology's order
	// Deaths are the machines that have ended by themselves, the first one first.
	Deaths() []Death
	Close(ctx context.Context) error
}

// Resizer is a System whose machines have CPU quotas. A system that is none
// shares the host's cores among its machines.
type Resizer interface {
	// SetCPUQuotas gives every machine its quota. Until then a system that has just
	// started may use the whole host, to warm up. A service with `limits: start` has
	// its quota from its start.
	SetCPUQuotas(ctx context.Context) error
	// Resize gives every machine of a group factor times the quota that it was
	// started with; the machines go on running. It must not run at the same time
	// as Machines.
	Resize(ctx context.Context, group string, factor float64) error
}

// Meter is a System that can tell more of some machines' use than whoever answers for
// them. A system whose machines all have agents is none, or tells nothing.
type Meter interface {
	// Meter takes one reading of each such machine, by name: figures that it has, and
	// in Unread why others are missing. It takes a few seconds at the most, whatever
	// ctx allows.
	Meter(ctx context.Context) map[string]spec.Counters
}

// Machine is one running machine, with what it may use.
type Machine struct {
	Name             string
	Group            string
	External         bool
	QuotaCPUs        float64
	MemoryLimitBytes int64 // 0 is none
	Agent            observe.Target
}

// DefaultReadyTimeout is how long a machine may take until it is ready.
const DefaultReadyTimeout = 90 * time.Second

// MaxOutputBytes bounds what a command that Exec runs may write: a measurement.
const MaxOutputBytes = 64 << 20

// NewNonce returns what the agents of one system carry in every answer.
func NewNonce() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return hex.EncodeToString(nonce[:])
}

// DatasetPrefix begins the name of every dataset.
const DatasetPrefix = "dataset-"

// DatasetName names a dataset by what is in it. The version changes whenever the same
// command makes other files.
func DatasetName(d scenarios.Dataset, version string) string {
	sum := sha256.Sum256([]byte(version + "\n" + d.Key()))
	return DatasetPrefix + hex.EncodeToString(sum[:6])
}

// CheckDatasets is an error when a dataset that the topology begins with has not been
// made; made says which have.
func CheckDatasets(t scenarios.Topology, made func(scenarios.Dataset) bool) error {
	for _, m := range t.Machines {
		for _, p := range m.Processes {
			if d, begins := t.DatasetOf(m, p); begins && !made(d) {
				return fmt.Errorf("machine %s needs a dataset that is not made (%s): call EnsureDataset before", m.Name, d.Command())
			}
		}
	}
	return nil
}

// LimitedBuffer refuses what goes beyond its limit.
type LimitedBuffer struct {
	bytes.Buffer
	LimitBytes int
}

// Write fails when the limit is reached.
func (b *LimitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.LimitBytes {
		return 0, fmt.Errorf("more than %d bytes of output: %w", b.LimitBytes, io.ErrShortBuffer)
	}
	return b.Buffer.Write(p)
}
