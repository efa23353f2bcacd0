// SPDX-License-Identifier: Apache-2.0

package targets

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
)

// httpBlock is the current target of a list in the HTTP format.
type httpBlock struct {
	list   *list
	open   bool // there is one
	start  int  // its first line
	at     int  // the line that an error is about
	target vegeta.Target
	body   bool // it gives one
}

var (
	// requestLine matches what vegeta takes for the first line of the next target.
	requestLine = regexp.MustCompile(`^[A-Z]+\s`)
	// httpVersion ends a request line as it is on the wire.
	httpVersion = regexp.MustCompile(`[ \t](HTTP/\d[.\d]*)$`)
)

// line takes the next line, without the blanks around it.
func (b *httpBlock) line(line string, number int) error {
	b.at = number
	switch {
	case len(line) > maxHTTPLine:
		return fmt.Errorf("a line of %d bytes is beyond the limit of %d", len(line), maxHTTPLine)
	case strings.HasPrefix(line, "#"):
		return nil
	case line == "":
		return b.end()
	case !b.open:
		return b.begin(line, number)
	case strings.HasPrefix(line, "@"):
		body, err := b.list.file(line[1:])
		if err != nil {
			return err
		}
		b.target.Body, b.body = body, true
		return b.end()
	case requestLine.MatchString(line) && len(b.target.Header) == 0:
		if err := b.end(); err != nil {
			return err
		}
		return b.begin(line, number)
	case requestLine.MatchString(line):
		return errors.New("a blank line must stand before the next target, or it is a header of the one above")
	}
	return b.header(line)
}

// begin reads a line of method and URL.
func (b *httpBlock) begin(line string, number int) error {
	method, target, found := cutBlank(line)
	switch upper := strings.ToUpper(method); {
	case strings.HasPrefix(line, "@"):
		return errors.New("a body stands here without its target: write method and URL above it, without a blank line between")
	case strings.HasPrefix(line, "{"):
		return fmt.Errorf("this looks like JSON, and the list is read as %s: choose the format %s, with every target on a line of its own", FormatHTTP, FormatJSON)
	case strings.Contains(method, "://"):
		return errors.New("the line has no method: write, for example, GET before the URL")
	case strings.Contains(method, ":"):
		name, _, _ := strings.Cut(method, ":") // what follows may be secret
		return fmt.Errorf("%q is no request: if it is a header, it must stand below its target, without a blank line between, and above the body", clip(name))
	case !found:
		return fmt.Errorf("%q is no request: write its method and URL, for example GET http://127.0.0.1:8080/", clip(line))
	case upper != method:
		return fmt.Errorf("method %q: HTTP methods are case-sensitive and in upper case: write %s", clip(method), clip(upper))
	}
	if version := httpVersion.FindStringSubmatch(target); version != nil {
		return fmt.Errorf("leave out %s behind the URL: the line is method and URL alone", version[1])
	}
	*b = httpBlock{list: b.list, open: true, start: number, at: number, target: vegeta.Target{Method: method, URL: target, Header: http.Header{}}}
	return nil
}

// cutBlank cuts a line at its first blanks.
func cutBlank(line string) (before, after string, found bool) {
	at := strings.IndexAny(line, " \t")
	if at < 0 {
		return line, "", false
	}
	return line[:at], strings.TrimLeft(line[at:], blanks), true
}

func (b *httpBlock) header(line string) error {
	name, value, found := strings.Cut(line, ":")
	if name, value = strings.Trim(name, blanks), strings.Trim(value, blanks); !found || name == "" {
		return fmt.Errorf("%q is no header: write Name: value, or a blank line before the next target", clip(line))
	}
	if strings.ContainsAny(name, blanks) {
		return fmt.Errorf("header %q: a name holds no blank; if this is the next target, write its method in upper case and a blank line before it", clip(name))
	}
	b.target.Header[name] = append(b.target.Header[name], value)
	return mix.CheckField(name, value)
}

// end takes in the target, if there is one.
func (b *httpBlock) end() error {
	if !b.open {
		return nil
	}
	b.open, b.at = false, b.start
	return b.list.add(b.target, b.body)
}

// file reads a body. It must be a plain file: another might never end.
func (l *list) file(name string) ([]byte, error) {
	if body, known := l.files[name]; known {
		return body, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("body %s must be a plain file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(file, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("body %s is beyond the limit of %d bytes", name, maxBody)
	}
	l.files[name] = body
	return body, nil
}
