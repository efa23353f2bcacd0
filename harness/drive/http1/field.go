// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"fmt"
	"math"
)

const maxLength = math.MaxInt64

// feedHeader reads a header line when the first byte of the next line is known. A blank
// there continues the line (RFC 9112, section 5.2).
func (p *Parser) feedHeader(data []byte, sink Sink) (rest []byte, err error) {
	if p.held {
		p.held = false
		if isBlank(data[0]) {
			p.folding = true
			p.partial = append(p.partial, ' ')
			p.joint = len(p.partial)
		} else {
			line := p.partial
			p.partial = line[:0]
			if err := p.readField(line, sink); err != nil {
				return nil, err
			}
		}
	}
	if p.folding {
		return p.feedFold(data)
	}
	line, rest, ok, err := p.line(data)
	if err != nil || !ok {
		return nil, err
	}
	line = trimCR(line)
	switch {
	case len(line) == 0:
		return rest, p.endHeader()
	case isBlank(line[0]):
		// The line follows the status line and so continues nothing. RFC 9112,
		// section 2.2, says to skip such a line.
		return rest, nil
	case len(rest) > 0 && !isBlank(rest[0]):
		return rest, p.readField(line, sink)
	case bytes.IndexByte(line, ':') <= 0: // it must not come from the next line
		return nil, noField(line)
	}
	p.held = true
	p.partial = append(p.partial[:0], trimRight(line)...)
	return rest, nil
}

// feedFold adds a line that continues the held one: one SP stands for the line
// end and the blanks around it.
func (p *Parser) feedFold(data []byte) (rest []byte, err error) {
	piece, size := data, len(data)
	end := bytes.IndexByte(data, '\n')
	if end >= 0 {
		piece, rest, size = data[:end], data[end+1:], end+1
	}
	if err := p.use(size); err != nil {
		return nil, err
	}
	if len(p.partial) == p.joint {
		piece = trimLeft(piece)
	}
	p.partial = append(p.partial, piece...)
	if end >= 0 {
		text := trimRight(trimCR(p.partial[p.joint:]))
		p.partial = p.partial[:p.joint+len(text)]
		p.folding, p.held = false, true
	}
	return rest, nil
}

// interim says whether the response under way is one before the final one.
func (p *Parser) interim() bool { return p.status >= 100 && p.status < 200 && p.status != 101 }

func noField(line []byte) error {
	return fmt.Errorf("the response has the header line %.40q, which has no name or no colon", line)
}

// readField reads an unfolded header line.
func (p *Parser) readField(line []byte, sink Sink) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return noField(line)
	}
	// Blanks before the colon: a proxy must remove them (RFC 9112, section
	// 5.1), so a client behind it would not see them.
	name := trimRight(line[:colon])
	switch len(name) {
	case len("Connection"):
		if equalFold(name, "connection") {
			p.readConnection(line[colon+1:])
		}
	case len("Content-Length"):
		if equalFold(name, "content-length") {
			p.closing = p.closing || len(name) < colon
			p.readLength(trim(line[colon+1:]))
		}
	case len("Transfer-Encoding"):
		if equalFold(name, "transfer-encoding") {
			p.closing = p.closing || len(name) < colon
			p.readCodings(trim(line[colon+1:]))
		}
	}
	if p.WantHeaders && !p.interim() {
		p.handOver(line, len(name), colon, sink)
	}
	return nil
}

// handOver passes a header line to the sink, with SP for bytes that are invalid in a value
// (RFC 9110, section 5.5).
func (p *Parser) handOver(line []byte, name, colon int, sink Sink) {
	if dirty(line) {
		if dirty(line[:name]) {
			return // RFC 9112, section 2.2: the element is invalid
		}
		line = append(p.partial[:0], line...) // the original is the caller's
		p.partial = line[:0]
		for i, c := range line {
			if c == '\r' || c == 0 {
				line[i] = ' '
			}
		}
	}
	sink.Header(line[:name], trim(line[colon+1:]))
}

// dirty says whether b holds a CR or a NUL.
func dirty(b []byte) bool { return bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, 0) >= 0 }

func (p *Parser) readConnection(list []byte) {
	for len(list) > 0 {
		var option []byte
		option, list = nextItem(list)
		for len(option) > 0 && (option[0] == '\r' || option[0] == 0 || isBlank(option[0])) {
			option = option[1:]
		}
		for n := len(option); n > 0 && (option[n-1] == '\r' || option[n-1] == 0 || isBlank(option[n-1])); n-- {
			option = option[:n-1]
		}
		p.closing = p.closing || equalFold(option, "close")
		p.keepAlive = p.keepAlive || equalFold(option, "keep-alive")
	}
}

// readLength reads a Content-Length. A wrong length is a fault only where the length is
// needed: RFC 9112, section 6.3.
func (p *Parser) readLength(value []byte) {
	found := false
	for list := value; len(list) > 0; {
		var item []byte
		if item, list = nextItem(list); len(item) == 0 {
			continue
		}
		n, ok := decimal(item)
		switch {
		case !ok:
			p.faultyLength(fmt.Errorf("the response's content length is %.40q", value))
			return
		case p.length >= 0 && p.length != n:
			p.faultyLength(fmt.Errorf("the response has two content lengths, %d and %d", p.length, n))
			return
		}
		p.length, found = n, true
	}
	if !found {
		p.faultyLength(fmt.Errorf("the response's content length is %.40q", value))
	}
}

func (p *Parser) faultyLength(err error) {
	if p.lengthFault == nil {
		p.lengthFault = err
	}
}

// readCodings reads a Transfer-Encoding; several are one list. The last coding
// says how the body ends. identity, of RFC 2616, is none.
func (p *Parser) readCodings(value []byte) {
	if p.http10 {
		// HTTP/1.0 has no transfer codings, so the sender's framing is not to be
		// trusted: RFC 9112, section 6.1.
		p.closing = true
		return
	}
	p.encoded = true
	if dirty(value) && p.codingFault == nil {
		p.codingFault = fmt.Errorf("the response's transfer encoding is %.40q", value)
	}
	for len(value) > 0 {
		var coding []byte
		coding, value = nextCoding(value)
		name := coding
		if semicolon := bytes.IndexByte(coding, ';'); semicolon >= 0 {
			name = trimRight(coding[:semicolon])
		}
		if len(coding) == 0 {
			continue
		}
		p.chunked = equalFold(name, "chunked")
		p.coded = p.coded || !equalFold(name, "identity")
		if !p.chunked {
			continue
		}
		p.closing = p.closing || p.chunkedBefore
		p.chunkedBefore = true
		if len(name) < len(coding) && p.codingFault == nil {
			p.codingFault = fmt.Errorf("the response's transfer encoding is %.40q, and chunked has no parameters", coding)
		}
	}
}

// endHeader decides how the body ends, in the order of RFC 9112, section 6.3.
func (p *Parser) endHeader() error {
	p.release()
	switch {
	case p.interim():
		used, closing := p.used, p.closing // an endless row of them is a header without end
		p.Reset(p.head)
		p.used, p.closing = used, closing
		return nil
	case p.status == 101:
		p.state, p.closing = done, true
		return nil
	case p.head, p.status == 204, p.status == 304:
		p.state = done
		return nil
	}
	hasLength := p.length >= 0 || p.lengthFault != nil
	p.closing = p.closing || p.encoded && hasLength
	switch {
	case p.codingFault != nil:
		return p.codingFault
	case p.chunked:
		p.state = chunkSize
	case p.coded:
		p.state, p.closing = closeBody, true
	case p.lengthFault != nil:
		return p.lengthFault
	case p.length > 0:
		p.state, p.remaining = fixedBody, p.length
	case p.length == 0:
		p.state = done
	default:
		p.state, p.closing = closeBody, true
	}
	return nil
}
