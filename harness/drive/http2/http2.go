// SPDX-License-Identifier: Apache-2.0

// Package http2 is the client side of one HTTP/2 connection (RFC 9113, with HPACK, RFC
// 7541). It turns requests into bytes, and bytes into answers. It touches no socket and no
// clock, and usually allocates nothing for a request. The caller owns reading, writing and
// time. The caller calls from one goroutine only, and never from within a Sink.
//
// Limits, of one connection:
//
//   - a frame of the server: 16 KiB, which is HTTP/2's default;
//   - a header block of the server: 1 MiB as sent and 256 frames, beyond which
//     the connection fails; 1 MiB of fields (RFC 7541, section 4.1), beyond
//     which its stream fails;
//   - the server's window: 16 MiB for a stream, 1 GiB for the connection;
//   - each direction's table of header fields: 4 KiB;
//   - what a call writes: the request's header and as much of its body as the
//     server's windows allow; for each frame read, no more than its own size
//     and one small frame, and the bodies that it sets free.
//
// Server push is off, priorities are not sent, and CONNECT is not supported.
package http2

// Limits of a connection.
const (
	maxFrame         = 16 << 10 // bytes of a frame's payload, either way
	maxBlock         = 1 << 20  // bytes of a header block, as sent and decoded
	maxBlockFrames   = 256      // of one header block
	maxTable         = 4 << 10  // bytes of a table of header fields
	keptBuffer       = 64 << 10 // a larger buffer is given back after use
	streamWindow     = 16 << 20 // bytes that the server may send ahead on a stream
	connectionWindow = 1 << 30  // and on all of them
	defaultWindow    = 1<<16 - 1
	maxWindow        = 1<<31 - 1
	maxStreamID      = 1<<31 - 1
	defaultStreams   = 100 // until the server has said how many it allows
)

// Config is what the user of a connection decides.
type Config struct {
	MaxStreams  int  // limit of streams open at once; 0: what the server allows
	WantHeaders bool // whether Sink.Header is called
}

// Field is a header field whose name is in lower case. Fields that belong to a
// connection (connection, transfer-encoding, ...) are not for HTTP/2: RFC 9113,
// section 8.2.2.
type Field struct{ Name, Value string }

// Changing is a header field whose value changes with every request. It stays out of the
// table of fields, so that it does not evict the constant fields.
type Changing struct {
	Name  string // in lower case
	Value []byte // valid during Open only
}

// Request is what Open sends.
type Request struct {
	Method, Scheme, Authority string

	Path   []byte     // with the query; valid during Open only
	Fields []Field    // the same for every request of an endpoint
	Extra  []Changing // such as content-length
	Body   []byte     // must stay unchanged until the request has ended; empty: none
}

// Sink receives what the answers hold. Slices are valid during the call only.
type Sink interface {
	// Header is called for every header and trailer field of an answer, without the
	// pseudo-header fields, if Config.WantHeaders is set. In a header that breaks the
	// rules it is called up to the bad field.
	Header(tag int32, name, value []byte)
	// Body is called for every fragment of an answer's body. An error cancels
	// the request, which ends with it.
	Body(tag int32, fragment []byte) error
	// End is called exactly once for every request that was opened and not
	// cancelled. Without an error the answer is complete. With one, status is
	// that of the answer so far, 0 if it had not come.
	End(tag int32, status int, err error)
}
