package machine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestLineLogPrefixesWholeLines(t *testing.T) {
	var out bytes.Buffer
	l := newLineLog("db", &out)
	for _, piece := range []string{"one\ntw", "o\n\nthr", "ee"} {
		if n, err := l.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	l.flush()
	if got, want := out.String(), "db | one\ndb | two\ndb | \ndb | three\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLineLogKeepsTheLastLinesOnly(t *testing.T) {
	l := newLineLog("p", &bytes.Buffer{})
	for i := range 3 * tailLines {
		fmt.Fprintf(l, "line %d\n", i)
	}
	tail := strings.Split(l.lastLines(), "\n")[1:]
	if len(tail) != tailLines || tail[tailLines-1] != fmt.Sprintf("p | line %d", 3*tailLines-1) {
		t.Errorf("tail is %q", tail)
	}
}

func TestLineLogCutsEndlessLines(t *testing.T) {
	var out bytes.Buffer
	l := newLineLog("p", &out)
	for range 10 {
		l.Write(bytes.Repeat([]byte("x"), maxLineBytes))
	}
	l.Write([]byte("\nnext\n"))
	if want := "p | " + strings.Repeat("x", maxLineBytes) + "\np | next\n"; out.String() != want {
		t.Errorf("got %d bytes, want %d", out.Len(), len(want))
	}
}

func TestSilentProcess(t *testing.T) {
	if got := newLineLog("p", &bytes.Buffer{}).lastLines(); got != "it printed nothing" {
		t.Errorf("got %q", got)
	}
}
