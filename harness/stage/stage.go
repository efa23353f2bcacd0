package stage

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"headroom/scenarios"
)

// DefaultReadyTimeout is how long a machine may take until it is ready.
const DefaultReadyTimeout = 90 * time.Second

// MaxDriverOutputBytes bounds what a driver may write: its measurement.
const MaxDriverOutputBytes = 64 << 20

const (
	// TailLines is how much of a log an error shows.
	TailLines = 20
	tailBytes = 16 << 10
)

// NewNonce returns what the agents of one system carry in every answer.
func NewNonce() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return hex.EncodeToString(nonce[:])
}

// DatasetPrefix begins the name of every dataset.
const DatasetPrefix = "dataset-"

// DatasetName names a dataset by what is in it.
func DatasetName(d scenarios.Dataset, version string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d %s", d.Users, d.Posts, d.Orders, d.TermCount(), d.Shards, version))
	return DatasetPrefix + hex.EncodeToString(sum[:6])
}

// Tail keeps the last bytes written to it. It may be read while it is written.
type Tail struct {
	mu   sync.Mutex
	kept []byte
}

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if excess := len(t.kept) - tailBytes; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
	return len(p), nil
}

// Bytes returns what is kept.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.kept)
}

// Explain adds the log's last lines to err.
func (t *Tail) Explain(err error) error {
	text := strings.TrimSpace(string(t.Bytes()))
	if text == "" {
		return fmt.Errorf("%w; its log is empty", err)
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-TailLines):]
	return fmt.Errorf("%w; the last lines of its log:\n  | %s", err, strings.Join(lines, "\n  | "))
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
