// SPDX-License-Identifier: Apache-2.0

// Package targets reads a list of requests in vegeta's two formats. It refuses input that
// vegeta silently misreads.
package targets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
)

// Formats of a list.
const (
	FormatHTTP = "http" // a line of method and URL, header lines, perhaps @file for a body, a blank line
	FormatJSON = "json" // on each line an object of method, url, header and body (base64)
)

// Limits of a list.
const (
	maxBytes    = 256 << 20 // of the list
	maxHTTPLine = 64 << 10
	maxLine     = 32 << 20  // of JSON, which holds a body
	maxBody     = 16 << 20  // of one target
	maxBodies   = 256 << 20 // of all targets together; a file counts for each target that sends it
)

// Options say how to read a list.
type Options struct {
	// Format is FormatHTTP or FormatJSON. With "" the list is JSON when its first byte
	// outside of blanks and comments is {.
	Format string
	// Header is sent with every target. A target's own values of the same name
	// come after it, as with vegeta: both are sent.
	Header http.Header
	// Body is the body of the targets that give none.
	Body []byte
	// Name is the list's, for messages; "" is "targets".
	Name string
}

// Parse reads a list. Lines that begin with # are comments. The files of bodies
// are looked for in the working directory, as vegeta does. An error says NAME:LINE, what
// is wrong there, and what to do. mix compiles every list that Parse returns.
func Parse(r io.Reader, o Options) ([]vegeta.Target, error) {
	if o.Name == "" {
		o.Name = "targets"
	}
	if o.Format != "" && o.Format != FormatHTTP && o.Format != FormatJSON {
		return nil, fmt.Errorf("the format %q of %s is unknown: write %s or %s", o.Format, o.Name, FormatHTTP, FormatJSON)
	}
	if err := mix.CheckHeader(o.Header); err != nil {
		return nil, err
	}
	if len(o.Body) > maxBody {
		return nil, fmt.Errorf("the body of %d bytes is beyond the limit of %d", len(o.Body), maxBody)
	}
	l := &list{Options: o, files: map[string][]byte{}}
	if number, err := l.read(bufio.NewReaderSize(r, maxHTTPLine)); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", o.Name, number, err)
	}
	if len(l.targets) == 0 {
		return nil, fmt.Errorf("%s names no target: write, for example, GET http://127.0.0.1:8080/", o.Name)
	}
	return l.targets, nil
}

// list is what has been read so far.
type list struct {
	Options
	targets []vegeta.Target
	check   mix.Checker
	files   map[string][]byte // of bodies, by name
	bodies  int               // bytes of all targets' bodies
}

// read reads all lines. With an error it returns the line's number.
func (l *list) read(r *bufio.Reader) (number int, err error) {
	if err := skipMark(r); err != nil {
		return 1, err
	}
	var line []byte
	block := httpBlock{list: l}
	for total := 0; ; {
		number++
		line, err = readLine(r, line[:0])
		if total += len(line); total > maxBytes {
			return number, fmt.Errorf("the list is larger than the limit of %d bytes", maxBytes)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return number, err
		}
		last := err != nil
		text := bytes.Trim(line, blanks)
		if l.Format == "" && len(text) > 0 && text[0] != '#' {
			l.Format = FormatHTTP
			if text[0] == '{' {
				l.Format = FormatJSON
			}
		}
		at := number
		if l.Format == FormatJSON {
			err = l.jsonLine(text)
		} else {
			err = block.line(string(text), number)
			at = block.at
		}
		if err == nil && last {
			err = block.end()
			return block.at, err
		}
		if err != nil {
			return at, err
		}
	}
}

// blanks are trimmed from a line's ends. Others, as of Unicode, are content.
const blanks = " \t\r\n\v\f"

// skipMark skips the mark of UTF-8 that some editors write first.
func skipMark(r *bufio.Reader) error {
	mark, err := r.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.Equal(mark, []byte("\xef\xbb\xbf")):
		_, err = r.Discard(len(mark))
		return err
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return errors.New("the list is UTF-16: save it as UTF-8")
	}
	return nil
}

// readLine appends the next line to dst. The last may have no end.
func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		if dst = append(dst, piece...); len(dst) > maxLine {
			return dst, fmt.Errorf("the line is beyond the limit of %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, err
		}
	}
}

// add takes in one target. hasBody says that it gives a body, if an empty one.
func (l *list) add(t vegeta.Target, hasBody bool) error {
	if len(l.targets) == mix.MaxTargets {
		return fmt.Errorf("there are more than %d targets", mix.MaxTargets)
	}
	if !hasBody {
		t.Body = l.Body
	}
	if len(t.Body) > maxBody {
		return fmt.Errorf("the body of %d bytes is beyond the limit of %d", len(t.Body), maxBody)
	}
	if l.bodies += len(t.Body); l.bodies > maxBodies {
		return fmt.Errorf("the bodies of all targets together are beyond the limit of %d bytes", maxBodies)
	}
	own := t.Header
	if t.Header = l.Header.Clone(); t.Header == nil {
		t.Header = http.Header{}
	}
	for name, values := range own {
		t.Header[name] = append(t.Header[name], values...)
	}
	if err := l.check.Check(t); err != nil {
		return err
	}
	l.targets = append(l.targets, t)
	return nil
}

// clip shortens what a message shows of a line.
func clip(text string) string {
	const most = 80
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
