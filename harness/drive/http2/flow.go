// SPDX-License-Identifier: Apache-2.0

package http2

// sendBody writes as much of a stream's body as the server's windows allow, and queues the
// stream for the rest.
func (c *Conn) sendBody(dst []byte, slot int32) []byte {
	s := &c.streams.slots[slot]
	for len(s.unsent) > 0 && c.maySend > 0 && s.maySend > 0 {
		dst = c.sendData(dst, s)
	}
	switch {
	case len(s.unsent) == 0:
		c.streams.dequeue(slot)
	case !s.waiting:
		c.streams.enqueue(slot)
	}
	return dst
}

// sendData writes one DATA frame.
func (c *Conn) sendData(dst []byte, s *stream) []byte {
	n := int(min(int64(len(s.unsent)), maxFrame, c.maySend, s.maySend))
	flags := byte(0)
	if n == len(s.unsent) {
		flags = flagEndStream
	}
	dst = appendHeader(dst, n, kindData, flags, s.id)
	dst = append(dst, s.unsent[:n]...)
	s.unsent = s.unsent[n:]
	s.maySend -= int64(n)
	c.maySend -= int64(n)
	return dst
}

// sendWaiting writes as much of all waiting bodies as the server's windows allow, one frame
// of each in turn.
func (c *Conn) sendWaiting(dst []byte) []byte {
	for blocked := 0; blocked < c.streams.waiting && c.maySend > 0; {
		slot := c.streams.front
		s := &c.streams.slots[slot]
		c.streams.front = s.next
		if s.maySend <= 0 {
			blocked++
			continue
		}
		dst = c.sendData(dst, s)
		blocked = 0
		if len(s.unsent) == 0 {
			c.streams.dequeue(slot)
		}
	}
	return dst
}

// growWindow applies a WINDOW_UPDATE for the connection. It returns false beyond the largest
// window: RFC 9113, section 6.9.1.
func (c *Conn) growWindow(increment int64) bool {
	c.maySend += increment
	if c.maySend > maxWindow {
		return false
	}
	c.out = c.sendWaiting(c.out)
	return true
}

// setInitialWindow sets the window of new streams, and changes the windows of open streams
// by the difference: RFC 9113, section 6.9.2. It returns false beyond the largest window.
func (c *Conn) setInitialWindow(start int64) bool {
	change := start - c.startSend
	c.startSend = start
	for i := range c.streams.slots {
		s := &c.streams.slots[i]
		if s.id == 0 {
			continue
		}
		if s.maySend += change; s.maySend > maxWindow {
			return false
		}
	}
	c.out = c.sendWaiting(c.out)
	return true
}

// countReceived counts a DATA frame against the windows that the server has. When half of a
// window is used, it gives that half back. The sink has no backlog, so half of a window is
// always left, and the server cannot overrun it. s is nil for a stream that has ended.
func (c *Conn) countReceived(f *frame, s *stream) {
	if c.taken += f.length; c.taken >= connectionWindow/2 {
		c.out = appendWindow(c.out, 0, uint32(c.taken))
		c.taken = 0
	}
	if s == nil || f.has(flagEndStream) {
		return
	}
	if s.taken += f.length; s.taken >= streamWindow/2 {
		c.out = appendWindow(c.out, s.id, uint32(s.taken))
		s.taken = 0
	}
}
