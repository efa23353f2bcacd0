// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"errors"
)

var errClosed = errors.New("the connection is closed")

// dataFrame is the current DATA frame. Its content is passed on as it arrives.
type dataFrame struct {
	open    bool
	id      uint32
	content int // bytes left
	padding int // bytes left
	end     bool
}

// headerBlock collects a header block that comes in several frames.
type headerBlock struct {
	id     uint32 // 0: none
	end    bool   // of the stream
	frames int
	bytes  []byte
}

// Feed reads the server's data and passes answers to sink. It appends what is to be
// written: acknowledgements, window updates, and as much of waiting bodies as the server's
// windows allow. An error makes the connection useless: dst then ends with a GOAWAY, and
// the caller should write dst and call Close.
func (c *Conn) Feed(dst, data []byte, sink Sink) ([]byte, error) {
	if c.failed != nil {
		return dst, c.failed
	}
	c.out, c.sink = dst, sink
	err := c.read(data)
	dst, c.out, c.sink = c.out, nil, nil
	if err == nil {
		return dst, nil
	}
	c.failed = err
	reason := NoError
	var failure *ConnectionError
	if errors.As(err, &failure) {
		reason = failure.Code
	}
	return appendGoAway(dst, reason), err
}

// read cuts data into frames. It keeps an incomplete frame, except the content of DATA.
func (c *Conn) read(data []byte) error {
	for len(data) > 0 {
		if c.data.open {
			data = c.readData(data)
			continue
		}
		begin := data
		if len(c.partial) > 0 {
			begin = c.partial
		}
		size, err := c.frameSize(begin)
		if err != nil {
			return err
		}
		if len(c.partial) == 0 && size <= len(data) {
			if err := c.readFrame(data[:size]); err != nil {
				return err
			}
			data = data[size:]
			continue
		}
		n := min(size-len(c.partial), len(data))
		c.partial = append(c.partial, data[:n]...)
		data = data[n:]
		if size, err = c.frameSize(c.partial); err != nil {
			return err
		}
		if size == len(c.partial) {
			whole := c.partial
			c.partial = c.partial[:0]
			if err := c.readFrame(whole); err != nil {
				return err
			}
		}
	}
	return nil
}

// frameSize is the number of bytes needed to read the frame that begins with b. It grows
// when the frame's header is complete.
func (c *Conn) frameSize(b []byte) (int, error) {
	if !c.gotSettings && len(b) >= len(http1Begin) && bytes.HasPrefix(b, []byte(http1Begin)) {
		return 0, broken(ProtocolError, "it answers with HTTP/1: %.40q", b)
	}
	if len(b) < frameHeaderBytes {
		return frameHeaderBytes, nil
	}
	f := parseHeader(b)
	switch {
	case f.length > maxFrame:
		return 0, broken(FrameSizeError, "a frame has %d bytes, more than the %d that were offered", f.length, maxFrame)
	case f.kind != kindData:
		return frameHeaderBytes + f.length, nil
	case f.has(flagPadded) && f.length > 0:
		return frameHeaderBytes + 1, nil
	}
	return frameHeaderBytes, nil
}

// readFrame reads a whole frame, or the begin of a DATA frame.
func (c *Conn) readFrame(b []byte) error {
	f := parseHeader(b)
	f.payload = b[frameHeaderBytes:]
	if !c.gotSettings && (f.kind != kindSettings || f.has(flagAck)) {
		return broken(ProtocolError, "its first frame is not SETTINGS (RFC 9113, section 3.4)")
	}
	if c.block.id != 0 && (f.kind != kindContinuation || f.id != c.block.id) {
		return broken(ProtocolError, "a header block is not continued by the next frame (section 6.10)")
	}
	switch f.kind {
	case kindData:
		return c.readDataHeader(&f)
	case kindHeaders:
		return c.readHeaders(&f)
	case kindPriority:
		return c.readPriority(&f)
	case kindReset:
		return c.readReset(&f)
	case kindSettings:
		return c.readSettings(&f)
	case kindPush:
		return broken(ProtocolError, "it pushes although that is off (section 8.4)")
	case kindPing:
		return c.readPing(&f)
	case kindGoAway:
		return c.readGoAway(&f)
	case kindWindow:
		return c.readWindow(&f)
	case kindContinuation:
		return c.readContinuation(&f)
	}
	return nil // of a later kind: RFC 9113, section 4.1
}

// checkStream refuses a frame for a stream that this side has not opened. The
// stream may have ended since: then the frame was on its way.
func (c *Conn) checkStream(f *frame, name string) error {
	switch {
	case f.id == 0:
		return broken(ProtocolError, "a %s frame names no stream (section 6)", name)
	case f.id%2 == 0 || f.id >= c.nextID:
		return broken(ProtocolError, "a %s frame is for stream %d, which is idle (section 5.1)", name, f.id)
	}
	return nil
}

// readDataHeader reads all of a DATA frame but its content: RFC 9113, section
// 6.1.
func (c *Conn) readDataHeader(f *frame) error {
	if err := c.checkStream(f, "DATA"); err != nil {
		return err
	}
	d := dataFrame{open: true, id: f.id, content: f.length, end: f.has(flagEndStream)}
	if f.has(flagPadded) {
		if f.length == 0 {
			return broken(FrameSizeError, "a padded DATA frame is empty (section 6.1)")
		}
		d.padding = int(f.payload[0])
		d.content -= 1 + d.padding
		if d.content < 0 {
			return broken(ProtocolError, "a DATA frame of %d bytes has %d bytes of padding (section 6.1)", f.length, d.padding)
		}
	}
	slot := c.streams.byID.find(f.id)
	var s *stream
	if slot != none {
		s = &c.streams.slots[slot]
		s.answered = true
	}
	c.countReceived(f, s)
	if s != nil {
		s.received += int64(d.content)
		switch {
		case s.status == 0:
			c.fail(slot, ProtocolError, "its body comes before its header (section 8.1)")
		case s.bodyless && d.content > 0:
			c.fail(slot, ProtocolError, "it has a body where it must have none (section 8.1.1)")
		case s.beyondLength():
			c.fail(slot, ProtocolError, "its body is longer than its content length of %d (section 8.1.1)", s.length)
		}
	}
	c.data = d
	c.endData()
	return nil
}

// readData reads what has come of a DATA frame's content and padding.
func (c *Conn) readData(data []byte) []byte {
	d := &c.data
	if n := min(d.content, len(data)); n > 0 {
		d.content -= n
		if slot := c.streams.byID.find(d.id); slot != none {
			s := &c.streams.slots[slot]
			if err := c.sink.Body(s.tag, data[:n]); err != nil {
				c.out = appendReset(c.out, s.id, Cancelled)
				c.end(slot, err)
			}
		}
		data = data[n:]
	}
	if d.content == 0 {
		n := min(d.padding, len(data))
		d.padding -= n
		data = data[n:]
	}
	c.endData()
	return data
}

// endData ends the DATA frame if all of it has come.
func (c *Conn) endData() {
	if c.data.content > 0 || c.data.padding > 0 {
		return
	}
	c.data.open = false
	if c.data.end {
		if slot := c.streams.byID.find(c.data.id); slot != none {
			c.complete(slot)
		}
	}
}
