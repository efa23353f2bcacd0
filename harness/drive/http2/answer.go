// SPDX-License-Identifier: Apache-2.0

package http2

import "fmt"

// fields holds what was read of a header block.
type fields struct {
	trailers bool
	regular  bool // a field that is no pseudo-header field has come
	status   int
	length   int64 // -1: not said
	size     int   // as RFC 9113, section 6.5.2 counts it
	code     Code  // if there is a problem
	problem  string
}

func (b *fields) fail(format string, args ...any) {
	b.code, b.problem = ProtocolError, fmt.Sprintf(format, args...)
}

// readHeaders reads a HEADERS frame: RFC 9113, section 6.2.
func (c *Conn) readHeaders(f *frame) error {
	if err := c.checkStream(f, "HEADERS"); err != nil {
		return err
	}
	part, padding := f.payload, 0
	if f.has(flagPadded) {
		if len(part) == 0 {
			return broken(FrameSizeError, "a padded HEADERS frame is empty (section 6.2)")
		}
		part, padding = part[1:], int(part[0])
	}
	if f.has(flagPriority) {
		if len(part) < priorityBytes {
			return broken(FrameSizeError, "a HEADERS frame has no room for its priority (section 6.2)")
		}
		part = part[priorityBytes:]
	}
	if padding > len(part) {
		return broken(ProtocolError, "a HEADERS frame has %d bytes of padding in %d (section 6.2)", padding, len(part))
	}
	part = part[:len(part)-padding]
	if f.has(flagEndHeaders) {
		return c.readBlock(f.id, part, f.has(flagEndStream))
	}
	if slot := c.streams.byID.find(f.id); slot != none {
		c.streams.slots[slot].answered = true
	}
	c.block = headerBlock{id: f.id, end: f.has(flagEndStream), frames: 1, bytes: append(c.block.bytes[:0], part...)}
	return nil
}

// readContinuation reads a CONTINUATION frame: RFC 9113, section 6.10.
func (c *Conn) readContinuation(f *frame) error {
	b := &c.block
	if b.id == 0 {
		return broken(ProtocolError, "a CONTINUATION frame continues nothing (section 6.10)")
	}
	if b.frames++; b.frames > maxBlockFrames || len(b.bytes)+len(f.payload) > maxBlock {
		return broken(EnhanceYourCalm, "a header block is beyond the limit of %d bytes or %d frames", maxBlock, maxBlockFrames)
	}
	b.bytes = append(b.bytes, f.payload...)
	if !f.has(flagEndHeaders) {
		return nil
	}
	id := b.id
	b.id = 0
	err := c.readBlock(id, b.bytes, b.end)
	if cap(b.bytes) > keptBuffer {
		b.bytes = nil
	}
	return err
}

// readBlock reads a whole header block. The block of an ended stream must be read too,
// because it changes the table of fields.
func (c *Conn) readBlock(id uint32, block []byte, end bool) error {
	slot := c.streams.byID.find(id)
	var s *stream
	b := fields{length: -1}
	if slot != none {
		s = &c.streams.slots[slot]
		s.answered = true
		b.trailers = s.status > 0
	}
	block, err := c.decoder.begin(block)
	for err == nil && len(block) > 0 {
		var name, value []byte
		if name, value, block, err = c.decoder.next(block); err == nil && s != nil && b.problem == "" {
			c.readField(s, &b, name, value)
		}
	}
	if cap(c.decoder.scratch) > keptBuffer {
		c.decoder.scratch = nil
	}
	if err != nil {
		return broken(CompressionError, "%v", err)
	}
	if s != nil {
		c.endBlock(slot, s, &b, end)
	}
	return nil
}

// endBlock decides what a header block means: RFC 9113, section 8.1.
func (c *Conn) endBlock(slot int32, s *stream, b *fields, end bool) {
	interim := b.status < 200
	switch {
	case b.problem != "":
	case b.trailers && !end:
		b.fail("its trailers do not end the stream (section 8.1)")
	case b.trailers:
	case b.status == 0:
		b.fail("it has no :status (section 8.3.2)")
	case b.status == 101:
		b.fail("its status is 101, which HTTP/2 does not have (section 8.6)")
	case interim && end:
		b.fail("the interim status %d ends the stream (section 8.1)", b.status)
	}
	switch {
	case b.problem != "":
		c.fail(slot, b.code, "%s", b.problem)
		return
	case b.trailers:
	case interim:
		return
	default:
		s.status, s.length = b.status, b.length
		s.bodyless = s.bodyless || b.status == 204 || b.status == 304
	}
	if end {
		c.complete(slot)
	}
}

// readField reads one field: RFC 9113, sections 8.2 and 8.3.
func (c *Conn) readField(s *stream, b *fields, name, value []byte) {
	if b.size += len(name) + len(value) + entryOverhead; b.size > maxBlock {
		b.fail("its header is beyond the limit of %d bytes", maxBlock)
		b.code = EnhanceYourCalm
		return
	}
	if len(name) > 0 && name[0] == ':' {
		b.pseudo(name, value)
		return
	}
	b.regular = true
	switch {
	case !b.trailers && b.status == 0:
		b.fail("the field %.40q comes before :status (section 8.3)", name)
		return
	case !validName(name):
		b.fail("it has a field named %.40q (section 8.2.1)", name)
		return
	case !validValue(value):
		b.fail("the value of its field %.40q has a byte that is not allowed there (section 8.2.1)", name)
		return
	}
	switch string(name) {
	case "content-length":
		if !b.trailers {
			b.readLength(value)
		}
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		b.fail("the field %s is not for HTTP/2 (section 8.2.2)", name)
	}
	if c.config.WantHeaders && b.problem == "" && (b.trailers || b.status >= 200) {
		c.sink.Header(s.tag, name, value)
	}
}

func (b *fields) pseudo(name, value []byte) {
	switch {
	case b.trailers:
		b.fail("its trailers have the field %.40q (section 8.1)", name)
	case b.regular:
		b.fail("the field %.40q comes after others (section 8.3)", name)
	case string(name) != ":status":
		b.fail("it has the field %.40q (section 8.3)", name)
	case b.status != 0:
		b.fail("it has :status twice (section 8.3)")
	case len(value) != 3 || value[0] < '1' || !digit(value[0]) || !digit(value[1]) || !digit(value[2]):
		b.fail("its status is %.40q (section 8.3.2)", value)
	default:
		b.status = int(value[0]-'0')*100 + int(value[1]-'0')*10 + int(value[2]-'0')
	}
}

func (b *fields) readLength(value []byte) {
	var n int64
	for _, c := range value {
		if !digit(c) {
			n = -1
			break
		}
		n = n*10 + int64(c-'0')
	}
	switch {
	case n < 0 || len(value) == 0 || len(value) > 18:
		b.fail("its content length is %.40q", value)
	case b.length >= 0 && b.length != n:
		b.fail("it has two content lengths, %d and %d", b.length, n)
	}
	b.length = n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// validName says what may be sent on: RFC 9113, section 8.2.1.
func validName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' || c == ':' {
			return false
		}
	}
	return len(name) > 0
}

func validValue(value []byte) bool {
	for _, c := range value {
		if c <= '\r' && (c == 0 || c == '\n' || c == '\r') {
			return false
		}
	}
	n := len(value)
	return n == 0 || !blank(value[0]) && !blank(value[n-1])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func (s *stream) beyondLength() bool { return !s.bodyless && s.length >= 0 && s.received > s.length }

// complete ends a request whose answer is complete. If part of the request's body is
// unsent, the server does not want it: RFC 9113, section 8.1.
func (c *Conn) complete(slot int32) {
	s := &c.streams.slots[slot]
	if !s.bodyless && s.length >= 0 && s.received != s.length {
		c.fail(slot, ProtocolError, "its body has %d bytes, but its content length is %d (section 8.1.1)", s.received, s.length)
		return
	}
	if len(s.unsent) > 0 {
		c.out = appendReset(c.out, s.id, NoError)
	}
	c.end(slot, nil)
}

// fail ends a request whose answer breaks the rules.
func (c *Conn) fail(slot int32, code Code, format string, args ...any) {
	c.out = appendReset(c.out, c.streams.slots[slot].id, code)
	c.end(slot, &AnswerError{Code: code, Reason: fmt.Sprintf(format, args...)})
}

func (c *Conn) end(slot int32, err error) {
	s := c.streams.slots[slot]
	c.streams.remove(slot)
	c.sink.End(s.tag, s.status, err)
}
