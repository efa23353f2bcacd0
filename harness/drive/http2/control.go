// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// debugBytes is how much of a GOAWAY's debug text is kept.
const debugBytes = 100

func (c *Conn) readPriority(f *frame) error {
	if f.id == 0 {
		return broken(ProtocolError, "a PRIORITY frame names no stream (section 6.3)")
	}
	if slot := c.streams.byID.find(f.id); slot != none && f.length != priorityBytes {
		c.fail(slot, FrameSizeError, "a PRIORITY frame has %d bytes (section 6.3)", f.length)
	}
	return nil
}

func (c *Conn) readReset(f *frame) error {
	if err := c.checkStream(f, "RST_STREAM"); err != nil {
		return err
	}
	if f.length != resetBytes {
		return broken(FrameSizeError, "a RST_STREAM frame has %d bytes (section 6.4)", f.length)
	}
	if slot := c.streams.byID.find(f.id); slot != none {
		c.end(slot, ResetError(binary.BigEndian.Uint32(f.payload)))
	}
	return nil
}

func (c *Conn) readSettings(f *frame) error {
	switch {
	case f.id != 0:
		return broken(ProtocolError, "a SETTINGS frame names stream %d (section 6.5)", f.id)
	case f.has(flagAck) && f.length != 0, f.length%settingBytes != 0:
		return broken(FrameSizeError, "a SETTINGS frame has %d bytes (section 6.5)", f.length)
	case f.has(flagAck):
		return nil
	}
	if !c.gotSettings {
		c.gotSettings = true
		c.maxStreams = maxStreamID // unless it says otherwise
	}
	for rest := f.payload; len(rest) > 0; rest = rest[settingBytes:] {
		if err := c.set(binary.BigEndian.Uint16(rest), binary.BigEndian.Uint32(rest[2:])); err != nil {
			return err
		}
	}
	c.out = appendHeader(c.out, 0, kindSettings, flagAck, 0)
	return nil
}

// set takes one setting of the server: RFC 9113, section 6.5.2. This side sends
// no larger frames, whatever the server allows.
func (c *Conn) set(setting uint16, value uint32) error {
	switch setting {
	case settingTableSize:
		c.encoder.resize(value)
	case settingPush:
		if value != 0 {
			return broken(ProtocolError, "it sets ENABLE_PUSH to %d (section 6.5.2)", value)
		}
	case settingStreams:
		c.maxStreams = int64(value)
	case settingWindow:
		if value > maxWindow || !c.setInitialWindow(int64(value)) {
			return broken(FlowControlError, "its INITIAL_WINDOW_SIZE of %d makes a window too large (section 6.5.2)", value)
		}
	case settingFrameSize:
		if value < maxFrame || value >= 1<<24 {
			return broken(ProtocolError, "it sets MAX_FRAME_SIZE to %d (section 6.5.2)", value)
		}
	}
	return nil
}

func (c *Conn) readPing(f *frame) error {
	switch {
	case f.id != 0:
		return broken(ProtocolError, "a PING frame names stream %d (section 6.7)", f.id)
	case f.length != pingBytes:
		return broken(FrameSizeError, "a PING frame has %d bytes (section 6.7)", f.length)
	case f.has(flagAck):
		return nil
	}
	c.out = append(appendHeader(c.out, pingBytes, kindPing, flagAck, 0), f.payload...)
	return nil
}

// readGoAway ends the requests that the server will not process: RFC 9113, section 6.8.
func (c *Conn) readGoAway(f *frame) error {
	switch {
	case f.id != 0:
		return broken(ProtocolError, "a GOAWAY frame names stream %d (section 6.8)", f.id)
	case f.length < goAwayBytes:
		return broken(FrameSizeError, "a GOAWAY frame has %d bytes (section 6.8)", f.length)
	}
	last := binary.BigEndian.Uint32(f.payload) &^ reservedBit
	if last > c.lastID {
		return broken(ProtocolError, "a later GOAWAY frame names a later stream, %d after %d (section 6.8)", last, c.lastID)
	}
	c.lastID = last
	debug := f.payload[goAwayBytes:]
	c.goAway = &GoAwayError{
		Code:  Code(binary.BigEndian.Uint32(f.payload[4:])),
		Debug: string(debug[:min(len(debug), debugBytes)]),
	}
	c.endFrom(last+1, &unprocessedError{c.goAway}, c.sink)
	return nil
}

func (c *Conn) readWindow(f *frame) error {
	if f.length != windowBytes {
		return broken(FrameSizeError, "a WINDOW_UPDATE frame has %d bytes (section 6.9)", f.length)
	}
	increment := int64(binary.BigEndian.Uint32(f.payload) &^ reservedBit)
	if f.id == 0 {
		if increment == 0 {
			return broken(ProtocolError, "a WINDOW_UPDATE frame adds nothing (section 6.9)")
		}
		if !c.growWindow(increment) {
			return broken(FlowControlError, "a WINDOW_UPDATE frame makes the connection's window too large (section 6.9.1)")
		}
		return nil
	}
	if err := c.checkStream(f, "WINDOW_UPDATE"); err != nil {
		return err
	}
	slot := c.streams.byID.find(f.id)
	if slot == none {
		return nil
	}
	s := &c.streams.slots[slot]
	s.maySend += increment
	switch {
	case increment == 0:
		c.fail(slot, ProtocolError, "a WINDOW_UPDATE frame adds nothing (section 6.9)")
	case s.maySend > maxWindow:
		c.fail(slot, FlowControlError, "a WINDOW_UPDATE frame makes its window too large (section 6.9.1)")
	case len(s.unsent) > 0:
		c.out = c.sendBody(c.out, slot)
	}
	return nil
}
