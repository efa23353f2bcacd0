// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestLogPrefixesWholeLines(t *testing.T) {
	var out bytes.Buffer
	l := NewLog("db", &out)
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

func TestLogKeepsTheLastLinesOnly(t *testing.T) {
	l := NewLog("p", &bytes.Buffer{})
	for i := range 3 * TailLines {
		fmt.Fprintf(l, "line %d\n", i)
	}
	tail := l.LastLines()
	if len(tail) != TailLines || tail[TailLines-1] != fmt.Sprintf("p | line %d", 3*TailLines-1) {
		t.Errorf("tail is %q", tail)
	}
}

func TestLogCutsEndlessLines(t *testing.T) {
	var out bytes.Buffer
	l := NewLog("p", &out)
	for range 10 {
		l.Write(bytes.Repeat([]byte("x"), maxLineBytes))
	}
	l.Write([]byte("\nnext\n"))
	if want := "p | " + strings.Repeat("x", maxLineBytes) + "\np | next\n"; out.String() != want {
		t.Errorf("got %d bytes, want %d", out.Len(), len(want))
	}
}

func TestSilentChild(t *testing.T) {
	cause := errors.New("exit status 1")
	err := NewLog("p", nil).Explain(cause)
	if !errors.Is(err, cause) || err.Error() != "exit status 1; it printed nothing" {
		t.Errorf("got %q", err)
	}
}
