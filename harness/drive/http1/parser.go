// SPDX-License-Identifier: Apache-2.0

// Package http1 reads HTTP/1.x responses from bytes as they arrive, as a user agent does
// (RFC 9110, RFC 9112). It keeps only an incomplete line, usually allocates nothing, and
// touches no socket: the caller owns reading and time.
//
// It reads all that the RFCs let a client read, and what other clients accept too: folded
// lines, blanks before a colon, empty lines before the status line, lines that end in LF
// alone, equal lengths in a list, any number of interim responses, and transfer codings in
// any order. Two recipients might disagree on the end of a response in these cases:
// Transfer-Encoding together with Content-Length or in HTTP/1.0, chunk lines that end in LF
// alone, a blank before the colon of such a field, chunked named twice. Such a response is
// read as the RFC says, and Reusable is false after it.
//
// It refuses input without a meaning: a first line that is no HTTP/1.x status line, a
// header line without a name or a colon, a needed length that is no number or two numbers,
// a chunk size that is no number, parameters of chunked, and CR or NUL in a
// Transfer-Encoding.
//
// Its limits:
//   - All lines of a response's header and trailer, with those of its interim
//     responses, have MaxHeader bytes together. A long line is kept whole until
//     it ends; a buffer beyond 64 KiB is given back after the header.
//   - The line of a chunk's size and extensions has 4 KiB. Bodies have no limit
//     but the Sink's, and no length beyond 2^63-1.
//   - The body is handed over without its chunks, with all other codings on it:
//     nothing is decompressed.
//   - The headers of interim responses, trailers and chunk extensions are skipped. CR
//     and NUL in a value become SP, and a line with CR or NUL in its name is no field.
//     Other bytes of names and values are not checked.
//   - There are no tunnels: a 101 ends at its header and the connection with it,
//     and a response to CONNECT is read as one to GET.
package http1

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of a response, in bytes.
const (
	// MaxHeader is the limit of all header and trailer lines together, the
	// interim responses' included. It is net/http's default.
	MaxHeader    = 10 << 20
	maxChunkLine = 4 << 10  // of one chunk's size and extensions
	maxKept      = 64 << 10 // of the buffer that outlives a header
)

// ErrTruncated means that the connection ended inside a response.
var ErrTruncated = errors.New("the connection ended inside the response")

// Sink receives what a response holds. The slices are valid during the call
// only.
type Sink interface {
	// Header is called for every header line of the final response, unfolded
	// and without the blanks around its value, if the parser's WantHeaders is
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
	head      bool
	http10    bool
	closing   bool // no request may follow on the connection
	keepAlive bool
	held      bool // partial is a whole line that the next may continue
	folding   bool // partial ends in a line that continues the one before
	sawCR     bool // in chunkEnd

	// Of the Transfer-Encoding: there is one, it has a coding besides identity, its
	// last coding is chunked, chunked was among them before.
	encoded, coded, chunked, chunkedBefore bool

	status    int
	length    int64 // of the Content-Length, -1 if none
	remaining int64
	used      int    // bytes of header and trailer lines so far
	joint     int    // where in partial the last fold's text begins
	partial   []byte // an incomplete line

	// What is wrong with the framing fields, for when they are needed.
	lengthFault, codingFault error
}

// Reset prepares for the next response; head says that it answers a HEAD
// request, and so has no body.
func (p *Parser) Reset(head bool) {
	partial := p.partial[:0]
	*p = Parser{WantHeaders: p.WantHeaders, head: head, length: -1, partial: partial}
}

// Status is the response's status code, 0 before its header is complete. It
// may be any of three digits: RFC 9110, section 15, has those below 100 and
// from 600 on treated as a 5xx.
func (p *Parser) Status() int {
	if p.state <= headerLine {
		return 0
	}
	return p.status
}

// Started says whether any byte of the response has arrived.
func (p *Parser) Started() bool { return p.used > 0 }

// Reusable says whether another request may be sent on the connection after
// the response.
func (p *Parser) Reusable() bool {
	return p.state == done && !p.closing && (!p.http10 || p.keepAlive)
}

// Feed reads data. complete says that the response is complete, and rest is the data after
// the response. The connection is not reusable if there is rest. After an error the
// connection is useless.
func (p *Parser) Feed(data []byte, sink Sink) (rest []byte, complete bool, err error) {
	for len(data) > 0 && p.state != done {
		switch p.state {
		case headerLine:
			data, err = p.feedHeader(data, sink)
		case fixedBody, chunkData:
			data, err = p.feedData(data, sink)
		case closeBody:
			err = sink.Body(data)
			data = nil
		case chunkEnd:
			data, err = p.feedChunkEnd(data)
		default:
			data, err = p.feedLine(data)
		}
		if err != nil {
			p.release()
			return nil, false, err
		}
	}
	if len(data) > 0 {
		p.closing = true
	}
	return data, p.state == done, nil
}

// End handles the end of the connection. That end completes a response without a length.
// Every other response is truncated, which is ErrTruncated.
func (p *Parser) End() error {
	p.release()
	if p.state != closeBody {
		return ErrTruncated
	}
	p.state = done
	return nil
}

// release gives a large buffer back.
func (p *Parser) release() {
	if cap(p.partial) > maxKept {
		p.partial = nil
	}
}

func (p *Parser) feedData(data []byte, sink Sink) (rest []byte, err error) {
	n := int(min(int64(len(data)), p.remaining))
	if err := sink.Body(data[:n]); err != nil {
		return nil, err
	}
	if p.remaining -= int64(n); p.remaining == 0 {
		if p.state == chunkData {
			p.state = chunkEnd
		} else {
			p.state = done
		}
	}
	return data[n:], nil
}

// feedChunkEnd reads one byte of the line end after a chunk's data. It does not wait for a
// whole line, because a chunk that is longer than its size may never have a line end.
func (p *Parser) feedChunkEnd(data []byte) (rest []byte, err error) {
	switch {
	case data[0] == '\r' && !p.sawCR:
		p.sawCR = true
	case data[0] == '\n':
		p.closing = p.closing || !p.sawCR
		p.sawCR, p.state = false, chunkSize
	default:
		return nil, fmt.Errorf("a chunk is followed by %.40q instead of a line end", data)
	}
	return data[1:], nil
}

// feedLine reads a line in the states without folded lines, or whose folds do not matter.
func (p *Parser) feedLine(data []byte) (rest []byte, err error) {
	line, rest, ok, err := p.line(data)
	if err != nil || !ok {
		return nil, err
	}
	if p.state == chunkSize {
		return rest, p.readChunkSize(line)
	}
	line = trimCR(line)
	switch {
	case p.state == statusLine && len(line) > 0:
		return rest, p.readStatus(line)
	case p.state == trailerLine && len(line) == 0:
		p.state = done
		p.release()
	}
	return rest, nil
}

// line cuts the next line off data, without its LF. It keeps an incomplete line for the
// next call.
func (p *Parser) line(data []byte) (line, rest []byte, ok bool, err error) {
	line = data
	size := len(data)
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		line, rest, ok = data[:end], data[end+1:], true
		size = end + 1
	}
	if p.state != chunkSize {
		err = p.use(size)
	} else if len(p.partial)+len(line) > maxChunkLine {
		err = fmt.Errorf("the line of a chunk's size is beyond the limit of %d bytes", maxChunkLine)
	}
	if err != nil {
		return nil, nil, false, err
	}
	if !ok {
		p.partial = append(p.partial, line...)
		return nil, nil, false, nil
	}
	if len(p.partial) > 0 {
		line = append(p.partial, line...)
		p.partial = line[:0]
	}
	return line, rest, true, nil
}

// use counts bytes of header lines.
func (p *Parser) use(size int) error {
	if p.used += size; p.used > MaxHeader {
		return fmt.Errorf("the response's header is beyond the limit of %d bytes", MaxHeader)
	}
	return nil
}

// readStatus reads "HTTP/1.1 200 OK" and, as RFC 9112, section 4, lets it, any
// blanks around the first two words. A higher minor version is read as 1.1.
func (p *Parser) readStatus(line []byte) error {
	text := line
	for len(text) > 0 && statusBlank(text[0]) {
		text = text[1:]
	}
	const version = len("HTTP/1.1")
	if len(text) <= version || string(text[:version-1]) != "HTTP/1." || !isDigit(text[version-1]) || !statusBlank(text[version]) {
		return fmt.Errorf("the response begins with %.40q, not with an HTTP/1.x status", line)
	}
	code := text[version+1:]
	for len(code) > 0 && statusBlank(code[0]) {
		code = code[1:]
	}
	if len(code) < 3 || !isDigit(code[0]) || !isDigit(code[1]) || !isDigit(code[2]) || len(code) > 3 && !statusBlank(code[3]) {
		return fmt.Errorf("the response begins with %.40q, whose status is not of three digits", line)
	}
	p.http10 = text[version-1] == '0'
	p.status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	p.state = headerLine
	return nil
}

// readChunkSize reads a line without its LF.
func (p *Parser) readChunkSize(line []byte) error {
	digits := trimCR(line)
	p.closing = p.closing || len(digits) == len(line) // RFC 9112, erratum 7633: LF alone does not end it
	if semicolon := bytes.IndexByte(digits, ';'); semicolon >= 0 {
		digits = digits[:semicolon]
	}
	digits = trimRight(digits)
	p.remaining = 0
	for _, digit := range digits {
		value := hex(digit)
		if value < 0 || p.remaining > maxLength>>4 {
			return fmt.Errorf("a chunk's size is %.40q", digits)
		}
		p.remaining = p.remaining<<4 | value
	}
	if len(digits) == 0 {
		return fmt.Errorf("a chunk's size is missing in %.40q", line)
	}
	p.state = chunkData
	if p.remaining == 0 {
		p.state = trailerLine
	}
	return nil
}
