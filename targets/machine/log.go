package machine

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

const (
	tailLines    = 20   // how much of a process's log an error shows
	maxLineBytes = 8192 // longer lines are cut: a process must not fill our memory
)

// sharedWriter lets several processes write whole lines to one writer.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// lineLog puts a process's name before each of its lines and remembers the
// last ones. It never fails: a process must not stop because nobody reads.
type lineLog struct {
	prefix string
	out    io.Writer

	mu      sync.Mutex
	partial []byte
	tail    []string
}

func newLineLog(name string, out io.Writer) *lineLog {
	return &lineLog{prefix: name + " | ", out: out}
}

func (l *lineLog) Write(p []byte) (int, error) {
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

// flush ends a line that the process left unfinished.
func (l *lineLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.emit()
	}
}

func (l *lineLog) emit() {
	line := l.prefix + string(l.partial)
	l.partial = l.partial[:0]
	if len(l.tail) == tailLines {
		l.tail = append(l.tail[:0], l.tail[1:]...)
	}
	l.tail = append(l.tail, line)
	_, _ = io.WriteString(l.out, line+"\n")
}

// lastLines returns what the process printed last, or says that it was silent.
func (l *lineLog) lastLines() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tail) == 0 {
		return "it printed nothing"
	}
	return "its last lines:\n" + strings.Join(l.tail, "\n")
}
