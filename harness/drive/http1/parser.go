// Package http1 reads HTTP/1.1 responses from bytes as they arrive, keeping
// nothing but the line that is not complete yet. It allocates nothing in the
// usual case and touches no socket: the caller owns reading and time.
package http1

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of a response, in bytes.
const (
	MaxHeader    = 64 << 10 // of all header and trailer lines together
	maxChunkLine = 4 << 10  // of one chunk's size and extensions
)

// ErrTruncated means that the connection ended inside a response.
var ErrTruncated = errors.New("the connection ended inside the response")

// Sink receives what a response holds. The slices are valid during the call
// only.
type Sink interface {
	// Header is called for every header line, if the parser's WantHeaders is
	// set.
	Header(name, value []byte)
	// Body is called for every fragment of the body. An error stops the
	// parser, which returns it.
	Body(fragment []byte) error
}

type state uint8

const (
	statusLine state = iota
	headerLine
	fixedBody // of remaining bytes
	closeBody // up to the connection's end
	chunkSize
	chunkData
	chunkEnd // the line end after a chunk's data
	trailerLine
	done
)

// Parser reads one response after another. Reset it before each.
type Parser struct {
	WantHeaders bool

	state     state
	status    int
	minor     byte // of HTTP/1.x
	closing   bool
	keepAlive bool
	chunked   bool
	head      bool
	length    int64 // of the Content-Length, -1 if none
	remaining int64
	used      int    // bytes of header lines so far
	partial   []byte // an incomplete line
}

// Reset prepares for the next response; head says that it answers a HEAD
// request, and so has no body.
func (p *Parser) Reset(head bool) {
	partial := p.partial[:0]
	*p = Parser{WantHeaders: p.WantHeaders, head: head, length: -1, partial: partial}
}

// Status is the response's status code, 0 before its header is complete.
func (p *Parser) Status() int {
	if p.state <= headerLine {
		return 0
	}
	return p.status
}

// Started says whether any byte of the response has arrived.
func (p *Parser) Started() bool { return p.state != statusLine || p.used > 0 || len(p.partial) > 0 }

// Reusable says whether another request may be sent on the connection after
// the response.
func (p *Parser) Reusable() bool {
	return p.state == done && !p.closing && (p.minor == '1' || p.keepAlive)
}

// Feed reads data. It returns true, and what it did not read, when the
// response is complete. After an error the connection is of no further use.
func (p *Parser) Feed(data []byte, sink Sink) (rest []byte, complete bool, err error) {
	for len(data) > 0 && p.state != done {
		switch p.state {
		case fixedBody, chunkData:
			n := int(min(int64(len(data)), p.remaining))
			if err := sink.Body(data[:n]); err != nil {
				return nil, false, err
			}
			data = data[n:]
			if p.remaining -= int64(n); p.remaining == 0 {
				p.endData()
			}
		case closeBody:
			if err := sink.Body(data); err != nil {
				return nil, false, err
			}
			data = nil
		default:
			line, rest, ok, err := p.line(data)
			if err != nil || !ok {
				return nil, false, err
			}
			data = rest
			if err := p.readLine(line, sink); err != nil {
				return nil, false, err
			}
		}
	}
	return data, p.state == done, nil
}

func (p *Parser) endData() {
	if p.state == chunkData {
		p.state = chunkEnd
		return
	}
	p.state = done
}

// End says what the connection's end means: it completes a response that is
// delimited by it, and is ErrTruncated for every other.
func (p *Parser) End() error {
	if p.state != closeBody {
		return ErrTruncated
	}
	p.state = done
	return nil
}

// line cuts the next line off data, without its end. It keeps an incomplete
// one for the next call.
func (p *Parser) line(data []byte) (line, rest []byte, ok bool, err error) {
	limit := MaxHeader - p.used
	if p.state == chunkSize || p.state == chunkEnd {
		limit = maxChunkLine
	}
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		if len(p.partial)+len(data) > limit {
			return nil, nil, false, fmt.Errorf("a line of the response's header is beyond the limit of %d bytes", limit)
		}
		p.partial = append(p.partial, data...)
		return nil, nil, false, nil
	}
	line, rest = data[:end], data[end+1:]
	if len(p.partial)+len(line) > limit {
		return nil, nil, false, fmt.Errorf("the response's header is beyond the limit of %d bytes", limit)
	}
	if len(p.partial) > 0 {
		line = append(p.partial, line...)
		p.partial = line[:0]
	}
	if p.state == statusLine || p.state == headerLine || p.state == trailerLine {
		p.used += len(line) + 1
	}
	return trimCR(line), rest, true, nil
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

func (p *Parser) readLine(line []byte, sink Sink) error {
	switch p.state {
	case statusLine:
		return p.readStatus(line)
	case headerLine:
		if len(line) == 0 {
			p.endHeader()
			return nil
		}
		return p.readHeader(line, sink)
	case chunkSize:
		return p.readChunkSize(line)
	case chunkEnd:
		if len(line) > 0 {
			return fmt.Errorf("a chunk is followed by %.40q instead of a line end", line)
		}
		p.state = chunkSize
	case trailerLine:
		if len(line) == 0 {
			p.state = done
		}
	}
	return nil
}

// readStatus reads "HTTP/1.1 200 OK".
func (p *Parser) readStatus(line []byte) error {
	const shortest = len("HTTP/1.1 200")
	if len(line) < shortest || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > shortest && line[shortest] != ' ' {
		return fmt.Errorf("the response begins with %.40q, not with an HTTP/1.x status", line)
	}
	p.minor, p.status = line[7], 0
	for _, digit := range line[9:12] {
		if digit < '0' || digit > '9' {
			return fmt.Errorf("the response's status is %q", line[9:12])
		}
		p.status = p.status*10 + int(digit-'0')
	}
	p.state = headerLine
	return nil
}

func (p *Parser) readHeader(line []byte, sink Sink) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' || line[colon-1] == '\t' {
		return fmt.Errorf("the response has the header line %.40q", line)
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	switch len(name) {
	case len("Connection"):
		if equalFold(name, "connection") {
			p.closing = p.closing || hasToken(value, "close")
			p.keepAlive = p.keepAlive || hasToken(value, "keep-alive")
		}
	case len("Content-Length"):
		if equalFold(name, "content-length") {
			return p.readLength(value)
		}
	case len("Transfer-Encoding"):
		// HTTP/1.0 has no transfer encodings.
		if equalFold(name, "transfer-encoding") && p.minor == '1' {
			if p.chunked || !equalFold(value, "chunked") {
				return fmt.Errorf("the transfer encoding %.40q is not supported", value)
			}
			p.chunked = true
		}
	}
	if p.WantHeaders {
		sink.Header(name, value)
	}
	return nil
}

func (p *Parser) readLength(value []byte) error {
	if len(value) == 0 || len(value) > 18 {
		return fmt.Errorf("the response's content length is %.40q", value)
	}
	var n int64
	for _, digit := range value {
		if digit < '0' || digit > '9' {
			return fmt.Errorf("the response's content length is %.40q", value)
		}
		n = n*10 + int64(digit-'0')
	}
	if p.length >= 0 && p.length != n {
		return fmt.Errorf("the response has two content lengths, %d and %d", p.length, n)
	}
	p.length = n
	return nil
}

// endHeader decides how the body ends: RFC 9112, section 6.3.
func (p *Parser) endHeader() {
	switch {
	case p.status < 200 && p.status != 101:
		used := p.used // an endless row of interim responses is a header without end
		p.Reset(p.head)
		p.used = used
	case p.head, p.status == 204, p.status == 304, p.status < 200:
		p.state = done
	case p.chunked:
		p.state = chunkSize
	case p.length > 0:
		p.state, p.remaining = fixedBody, p.length
	case p.length == 0:
		p.state = done
	default:
		p.state, p.closing = closeBody, true
	}
}

func (p *Parser) readChunkSize(line []byte) error {
	if semicolon := bytes.IndexByte(line, ';'); semicolon >= 0 {
		line = line[:semicolon]
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return fmt.Errorf("a chunk's size is %.40q", line)
	}
	p.remaining = 0
	for _, digit := range line {
		value := hex(digit)
		if value < 0 {
			return fmt.Errorf("a chunk's size is %.40q", line)
		}
		p.remaining = p.remaining<<4 | value
	}
	p.state = chunkData
	if p.remaining == 0 {
		p.state = trailerLine
	}
	return nil
}

func hex(digit byte) int64 {
	switch {
	case digit >= '0' && digit <= '9':
		return int64(digit - '0')
	case digit|0x20 >= 'a' && digit|0x20 <= 'f':
		return int64(digit|0x20-'a') + 10
	}
	return -1
}

// hasToken says whether a comma-separated list holds token, which must be in
// lower case.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		item := list
		if comma := bytes.IndexByte(list, ','); comma >= 0 {
			item, list = list[:comma], list[comma+1:]
		} else {
			list = nil
		}
		if equalFold(bytes.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

// equalFold compares without regard to ASCII case; lower must be in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
