// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// TailLines is how many of a child's lines an error shows.
	TailLines    = 20
	maxLineBytes = 8192 // longer lines are cut: a child must not fill our memory
)

// SyncWriter lets several children write to one writer, one after the other.
type SyncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewSyncWriter returns the writer's SyncWriter.
func NewSyncWriter(w io.Writer) *SyncWriter { return &SyncWriter{w: w} }

// Write hands p on in one piece.
func (l *SyncWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Log keeps the last lines that are written to it, and hands each line on with a name
// before it. Writing never fails: a program must not stop because nobody reads. A Log
// may be read while it is written.
type Log struct {
	prefix string
	out    io.Writer // nil: lines are only remembered

	mu      sync.Mutex
	partial []byte
	tail    []string
}

// NewLog returns a log that puts the name before each line; "" puts nothing.
func NewLog(name string, out io.Writer) *Log {
	l := &Log{out: out}
	if name != "" {
		l.prefix = name + " | "
	}
	return l
}

// Write never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	for len(rest) > 0 {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		room := maxLineBytes - len(l.partial)
		l.partial = append(l.partial, line[:min(room, len(line))]...)
		if whole {
			l.emit()
		}
		rest = after
	}
	return len(p), nil
}

// flush ends a line that the child left unfinished.
func (l *Log) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.emit()
	}
}

func (l *Log) emit() {
	line := l.prefix + string(l.partial)
	l.partial = l.partial[:0]
	if len(l.tail) == TailLines {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, line)
	if l.out != nil {
		_, _ = io.WriteString(l.out, line+"\n")
	}
}

// LastLines returns the last lines, an unfinished line included.
func (l *Log) LastLines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := slices.Clone(l.tail)
	if len(l.partial) > 0 {
		last = append(last, l.prefix+string(l.partial))
	}
	return last[max(0, len(last)-TailLines):]
}

// Explain adds the last lines to err, or says that there are none.
func (l *Log) Explain(err error) error {
	lines := l.LastLines()
	if len(lines) == 0 {
		return fmt.Errorf("%w; it printed nothing", err)
	}
	return fmt.Errorf("%w; its last lines:\n  %s", err, strings.Join(lines, "\n  "))
}
