// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// Kinds of frames: RFC 9113, section 6.
const (
	kindData         = 0x0
	kindHeaders      = 0x1
	kindPriority     = 0x2
	kindReset        = 0x3
	kindSettings     = 0x4
	kindPush         = 0x5
	kindPing         = 0x6
	kindGoAway       = 0x7
	kindWindow       = 0x8
	kindContinuation = 0x9
)

// Flags of frames.
const (
	flagAck        = 0x1  // of SETTINGS and PING
	flagEndStream  = 0x1  // of DATA and HEADERS
	flagEndHeaders = 0x4  // of HEADERS and CONTINUATION
	flagPadded     = 0x8  // of DATA and HEADERS
	flagPriority   = 0x20 // of HEADERS
)

// Settings: RFC 9113, section 6.5.2.
const (
	settingTableSize         = 0x1
	settingPush              = 0x2
	settingStreams           = 0x3
	settingWindow            = 0x4
	settingFrameSize         = 0x5
	settingHeaderList        = 0x6
	settingBytes             = 6
	frameHeaderBytes         = 9
	priorityBytes            = 5
	resetBytes               = 4
	pingBytes                = 8
	goAwayBytes              = 8 // without what the server adds for people
	windowBytes              = 4
	preface                  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	http1Begin               = "HTTP/1"
	reservedBit       uint32 = 1 << 31
)

// frame is one frame's header and, but for DATA, its payload.
type frame struct {
	length      int
	kind, flags byte
	id          uint32 // of the stream, 0 for the connection
	payload     []byte
}

// parseHeader reads a frame's first 9 bytes.
func parseHeader(b []byte) frame {
	_ = b[frameHeaderBytes-1]
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		id:     binary.BigEndian.Uint32(b[5:]) &^ reservedBit,
	}
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

func appendHeader(dst []byte, length int, kind, flags byte, id uint32) []byte {
	return append(dst, byte(length>>16), byte(length>>8), byte(length), kind, flags,
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

func appendReset(dst []byte, id uint32, code Code) []byte {
	dst = appendHeader(dst, resetBytes, kindReset, 0, id)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindow(dst []byte, id, increment uint32) []byte {
	dst = appendHeader(dst, windowBytes, kindWindow, 0, id)
	return binary.BigEndian.AppendUint32(dst, increment)
}

// appendGoAway names no stream as processed: the server can open none.
func appendGoAway(dst []byte, code Code) []byte {
	dst = appendHeader(dst, goAwayBytes, kindGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendSetting(dst []byte, setting uint16, value uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, setting)
	return binary.BigEndian.AppendUint32(dst, value)
}
