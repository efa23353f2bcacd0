// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
)

// Conn is the client side of one connection.
type Conn struct {
	config  Config
	streams streams
	encoder *encoder
	decoder decoder

	// During a call of Feed.
	out  []byte
	sink Sink

	nextID     uint32
	maxStreams int64 // that the server allows
	maySend    int64 // bytes of bodies on all streams
	startSend  int64 // and on a new one
	taken      int   // bytes by which the server's window is smaller

	gotSettings bool         // the server's first SETTINGS have come
	goAway      *GoAwayError // what the server said, if it ends the connection
	lastID      uint32       // the last stream that the server may have processed
	failed      error        // a connection error of ours

	partial []byte // a frame that is not complete
	data    dataFrame
	block   headerBlock
}

// New makes a connection. Start begins it.
func New(config Config) *Conn {
	return &Conn{
		config:     config,
		encoder:    newEncoder(),
		decoder:    decoder{table: newTable(maxTable)},
		nextID:     1,
		maxStreams: defaultStreams,
		maySend:    defaultWindow,
		startSend:  defaultWindow,
		lastID:     maxStreamID,
	}
}

// Start appends the client's preface: RFC 9113, section 3.4.
func (c *Conn) Start(dst []byte) []byte {
	dst = append(dst, preface...)
	dst = appendHeader(dst, 3*settingBytes, kindSettings, 0, 0)
	dst = appendSetting(dst, settingPush, 0)
	dst = appendSetting(dst, settingWindow, streamWindow)
	dst = appendSetting(dst, settingHeaderList, maxBlock)
	return appendWindow(dst, 0, connectionWindow-defaultWindow)
}

// WantHeaders says whether Sink.Header is called from now on.
func (c *Conn) WantHeaders(want bool) { c.config.WantHeaders = want }

// FreeStreams is the number of requests that may be opened now.
func (c *Conn) FreeStreams() int {
	if c.failed != nil || c.goAway != nil {
		return 0
	}
	limit := c.maxStreams
	if c.config.MaxStreams > 0 {
		limit = min(limit, int64(c.config.MaxStreams))
	}
	ids := (maxStreamID + 2 - int64(c.nextID)) / 2
	return int(max(0, min(limit-int64(c.streams.open), ids)))
}

// Active is the number of requests that are open.
func (c *Conn) Active() int { return c.streams.open }

// Draining says that the connection never takes a request again: the server ends the
// connection, or its stream ids are used up. It should be closed when Active is 0.
func (c *Conn) Draining() bool { return c.goAway != nil || c.nextID > maxStreamID }

// Answered says whether any of the answer to an open request has come.
func (c *Conn) Answered(tag int32) bool {
	slot := c.streams.byTag.find(uint32(tag))
	if slot == none {
		return false
	}
	s := &c.streams.slots[slot]
	if !s.answered && len(c.partial) >= frameHeaderBytes {
		f := parseHeader(c.partial)
		return f.id == s.id && (f.kind == kindHeaders || f.kind == kindData)
	}
	return s.answered
}

// Open appends a request: its header, and as much of its body as the server's
// windows allow. Feed writes the rest. FreeStreams must be above 0 and the tag not in
// use, or Open panics.
func (c *Conn) Open(dst []byte, tag int32, r *Request) []byte {
	if c.failed != nil || c.goAway != nil || c.nextID > maxStreamID {
		panic("http2: Open on a connection that takes no more requests; FreeStreams says so")
	}
	id := c.nextID
	slot, ok := c.streams.add(id, tag)
	if !ok {
		panic(fmt.Sprintf("http2: Open with the tag %d, whose request is still open", tag))
	}
	c.nextID += 2
	s := &c.streams.slots[slot]
	s.bodyless = r.Method == "HEAD"
	s.maySend = c.startSend
	s.unsent = r.Body
	dst = c.appendHeaders(dst, id, r)
	if len(s.unsent) > 0 {
		dst = c.sendBody(dst, slot)
	}
	return dst
}

// appendHeaders writes a HEADERS frame, and CONTINUATION frames if one is not
// enough: RFC 9113, section 4.3.
func (c *Conn) appendHeaders(dst []byte, id uint32, r *Request) []byte {
	flags := byte(0)
	if len(r.Body) == 0 {
		flags = flagEndStream
	}
	start := len(dst)
	dst = appendHeader(dst, 0, kindHeaders, flags|flagEndHeaders, id)
	dst = c.encoder.encode(dst, r)
	length := len(dst) - start - frameHeaderBytes
	if length <= maxFrame {
		dst[start], dst[start+1], dst[start+2] = byte(length>>16), byte(length>>8), byte(length)
		return dst
	}
	block := append([]byte(nil), dst[start+frameHeaderBytes:]...)
	dst = appendHeader(dst[:start], maxFrame, kindHeaders, flags, id)
	dst = append(dst, block[:maxFrame]...)
	for block = block[maxFrame:]; len(block) > maxFrame; block = block[maxFrame:] {
		dst = appendHeader(dst, maxFrame, kindContinuation, 0, id)
		dst = append(dst, block[:maxFrame]...)
	}
	dst = appendHeader(dst, len(block), kindContinuation, flagEndHeaders, id)
	return append(dst, block...)
}

// Cancel gives up a request: End is not called for the request, and the rest of its answer
// is dropped. Cancel does nothing for a tag that is not in use.
func (c *Conn) Cancel(dst []byte, tag int32) []byte {
	slot := c.streams.byTag.find(uint32(tag))
	if slot == none {
		return dst
	}
	id := c.streams.slots[slot].id
	c.streams.remove(slot)
	if c.failed != nil {
		return dst
	}
	return appendReset(dst, id, Cancelled)
}

// Close ends every open request with err, after the connection was closed or has failed.
// Requests that the server certainly did not process have ended before, in the Feed that
// read the server's GOAWAY. The server may have processed the remaining requests.
func (c *Conn) Close(err error, sink Sink) {
	if c.goAway != nil && c.goAway.Code != NoError {
		err = fmt.Errorf("%w, after %w", err, c.goAway)
	}
	if c.failed == nil {
		c.failed = errClosed
	}
	c.endFrom(0, err, sink)
}

// endFrom ends the requests whose stream's id is at least id.
func (c *Conn) endFrom(id uint32, err error, sink Sink) {
	for slot := range c.streams.slots {
		if s := c.streams.slots[slot]; s.id != 0 && s.id >= id {
			c.streams.remove(int32(slot))
			sink.End(s.tag, s.status, err)
		}
	}
}
