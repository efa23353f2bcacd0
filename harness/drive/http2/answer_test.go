// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"errors"
	"strings"
	"testing"
)

var errTest = errors.New("the test ends")

const (
	ok200 = "\x88" // :status 200, from the static table
	broke = "the answer breaks HTTP/2, PROTOCOL_ERROR: "
)

// answers are what a server may send for the requests of three.
var answers = []struct {
	section, name string
	in            string
	ends          []string // of requests before the connection is closed
	out           []string
}{
	{section: "8.1", name: "header and body", in: headFrame(1, 0, ":status", "200", "a", "b") + dataFrameOf(1, 0, "hel") + dataFrameOf(1, 1, "lo"),
		ends: []string{`10: 200 a=b "hello"`}},
	{section: "8.1", name: "header alone", in: headFrame(1, 1, ":status", "404"), ends: []string{`10: 404`}},
	{section: "8.1", name: "an empty last frame", in: headFrame(1, 0, ":status", "200") + dataFrameOf(1, 0, "x") + dataFrameOf(1, 0, "") + dataFrameOf(1, 1, ""),
		ends: []string{`10: 200 "x"`}},
	{section: "8.1", name: "trailers", in: headFrame(1, 0, ":status", "200") + dataFrameOf(1, 0, "x") + headFrame(1, 1, "grpc-status", "0", "content-length", "9"),
		ends: []string{`10: 200 grpc-status=0 content-length=9 "x"`}},
	{section: "8.1", name: "trailers that go on", in: headFrame(1, 0, ":status", "200") + headFrame(1, 0, "a", "b"),
		ends: []string{"10: 200 a=b " + broke + "its trailers do not end the stream (section 8.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1", name: "interim answers", in: headFrame(1, 0, ":status", "100") + headFrame(1, 0, ":status", "103", "link", "x", "content-length", "7") +
		headFrame(1, 0, ":status", "200") + dataFrameOf(1, 1, "x"), ends: []string{`10: 200 "x"`}},
	{section: "8.1", name: "an interim answer ends the stream", in: headFrame(1, 1, ":status", "100"),
		ends: []string{"10: 0 " + broke + "the interim status 100 ends the stream (section 8.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.3.2", name: "no fields", in: headFrame(1, 1),
		ends: []string{"10: 0 " + broke + "it has no :status (section 8.3.2)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.6", name: "101", in: headFrame(1, 0, ":status", "101"),
		ends: []string{"10: 0 " + broke + "its status is 101, which HTTP/2 does not have (section 8.6)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1", name: "body before header", in: dataFrameOf(1, 1, "x"),
		ends: []string{"10: 0 " + broke + "its body comes before its header (section 8.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1", name: "an early answer", in: headFrame(3, 1, ":status", "413") + raw(kindReset, 0, 3, word(0)...),
		ends: []string{"11: 413"}, out: []string{"RST_STREAM 3 NO_ERROR"}},
	{section: "8.1.1", name: "content length", in: headFrame(1, 0, ":status", "200", "content-length", "1") + dataFrameOf(1, 1, "x"),
		ends: []string{`10: 200 content-length=1 "x"`}},
	{section: "8.1.1", name: "body too short", in: headFrame(1, 0, ":status", "200", "content-length", "2") + dataFrameOf(1, 1, "x"),
		ends: []string{`10: 200 content-length=2 "x" ` + broke + "its body has 1 bytes, but its content length is 2 (section 8.1.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1.1", name: "body too long", in: headFrame(1, 0, ":status", "200", "content-length", "2") + dataFrameOf(1, 0, "xyz") + dataFrameOf(1, 1, "late"),
		ends: []string{`10: 200 content-length=2 ` + broke + "its body is longer than its content length of 2 (section 8.1.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1.1", name: "HEAD", in: headFrame(5, 1, ":status", "200", "content-length", "9"), ends: []string{`12: 200 content-length=9`}},
	{section: "8.1.1", name: "HEAD with a body", in: headFrame(5, 0, ":status", "200") + dataFrameOf(5, 1, "x"),
		ends: []string{"12: 200 " + broke + "it has a body where it must have none (section 8.1.1)"}, out: []string{"RST_STREAM 5 PROTOCOL_ERROR"}},
	{section: "8.1.1", name: "304", in: headFrame(1, 0, ":status", "304", "content-length", "9") + dataFrameOf(1, 1, ""), ends: []string{`10: 304 content-length=9`}},
	{section: "8.1.1", name: "204 with a body", in: headFrame(1, 0, ":status", "204") + dataFrameOf(1, 1, "x"),
		ends: []string{"10: 204 " + broke + "it has a body where it must have none (section 8.1.1)"}, out: []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{section: "8.1.1", name: "the same length twice", in: headFrame(1, 1, ":status", "200", "content-length", "0", "content-length", "0"),
		ends: []string{`10: 200 content-length=0 content-length=0`}},
	{section: "6.1", name: "padding", in: headFrame(1, 0, ":status", "200") + raw(kindData, flagPadded|flagEndStream, 1, 3, 'h', 'i', 0, 0, 0),
		ends: []string{`10: 200 "hi"`}},
	{section: "6.1", name: "nothing but padding", in: headFrame(1, 0, ":status", "200") + raw(kindData, flagPadded|flagEndStream, 1, 3, 0, 0, 0),
		ends: []string{`10: 200`}},
	{section: "6.2", name: "padding and priority", in: raw(kindHeaders, flagPadded|flagPriority|flagEndHeaders|flagEndStream, 1, 2, 0, 0, 0, 0, 9, ok200[0], 0, 0),
		ends: []string{`10: 200`}},
	{section: "6.10", name: "continuation", in: raw(kindHeaders, flagEndStream, 1, ok200[0], 0, 1) + raw(kindContinuation, 0, 1) +
		raw(kindContinuation, flagEndHeaders, 1, 'a', 1, 'b'), ends: []string{`10: 200 a=b`}},
	{section: "6.4", name: "reset", in: raw(kindReset, 0, 1, word(7)...) + raw(kindReset, 0, 3, word(2)...) + headFrame(5, 0, ":status", "200") + raw(kindReset, 0, 5, word(0)...),
		ends: []string{"10: 0 the server reset the stream: REFUSED_STREAM [unprocessed]", "11: 0 the server reset the stream: INTERNAL_ERROR",
			"12: 200 the server reset the stream: NO_ERROR"}},
	{section: "7", name: "an unknown code", in: raw(kindReset, 0, 1, word(0x99)...), ends: []string{"10: 0 the server reset the stream: error code 0x99"}},
	{section: "5.1", name: "late frames", in: headFrame(1, 1, ":status", "200") + headFrame(1, 1, ":status", "200") + dataFrameOf(1, 1, "late") +
		raw(kindReset, 0, 1, word(8)...) + raw(kindWindow, 0, 1, word(0)...) + raw(kindPriority, 0, 1), ends: []string{`10: 200`}},
	{section: "5.5", name: "unknown kinds", in: raw(0xbe, 0xff, 1, 1, 2, 3) + raw(kindPriority, 0, 1, 0, 0, 0, 3, 1) + raw(kindPriority, 0, 99, 0, 0, 0, 3, 1)},
	{section: "6.3", name: "priority of a wrong size", in: raw(kindPriority, 0, 1, 0),
		ends: []string{"10: 0 the answer breaks HTTP/2, FRAME_SIZE_ERROR: a PRIORITY frame has 1 bytes (section 6.3)"}, out: []string{"RST_STREAM 1 FRAME_SIZE_ERROR"}},
	{section: "6.7", name: "ping", in: raw(kindPing, 0, 0, []byte("12345678")...) + raw(kindPing, flagAck, 0, []byte("87654321")...), out: []string{`PING "12345678" true`}},
	{section: "6.8", name: "goaway", in: raw(kindGoAway, 0, 0, append(word(1, 0xb), "slow down"...)...) + headFrame(1, 1, ":status", "200"),
		ends: []string{`11: 0 the server ended the connection: GOAWAY ENHANCE_YOUR_CALM ("slow down"); it did not process the request [unprocessed]`,
			`12: 0 the server ended the connection: GOAWAY ENHANCE_YOUR_CALM ("slow down"); it did not process the request [unprocessed]`, `10: 200`}},
	{section: "6.9", name: "windows", in: raw(kindWindow, 0, 0, word(4000)...) + raw(kindWindow, 0, 3, word(4000)...) + raw(kindWindow, 0, 3, word(9000)...) + raw(kindWindow, 0, 0, word(9000)...),
		out: []string{"DATA 3 4000", "DATA 3 465 END"}},
	{section: "6.9", name: "a stream's window of nothing", in: raw(kindWindow, 0, 3, word(1<<31)...),
		ends: []string{"11: 0 " + broke + "a WINDOW_UPDATE frame adds nothing (section 6.9)"}, out: []string{"RST_STREAM 3 PROTOCOL_ERROR"}},
	{section: "6.9.1", name: "a stream's window too large", in: raw(kindWindow, 0, 1, word(maxWindow)...),
		ends: []string{"10: 0 the answer breaks HTTP/2, FLOW_CONTROL_ERROR: a WINDOW_UPDATE frame makes its window too large (section 6.9.1)"},
		out:  []string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
	{section: "6.9.2", name: "a larger start", in: raw(kindWindow, 0, 0, word(9000)...) + settingsFrame(settingWindow, 66000), out: []string{"DATA 3 465", "SETTINGS ACK"}},
	{section: "6.9.2", name: "a smaller start, below nothing", in: raw(kindWindow, 0, 0, word(9000)...) + settingsFrame(settingWindow, 0) + raw(kindWindow, 0, 3, word(65535)...) + raw(kindWindow, 0, 3, word(100)...),
		out: []string{"SETTINGS ACK", "DATA 3 100"}},
	{section: "6.5.2", name: "settings", in: settingsFrame(settingTableSize, 0, settingPush, 0, settingStreams, 7, settingFrameSize, 1<<24-1, 0x99, 1) + raw(kindSettings, flagAck, 0), out: []string{"SETTINGS ACK"}},
}

func TestAnswers(t *testing.T) {
	for _, test := range answers {
		t.Run(test.section+"/"+test.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1 << 20} {
				c, sink, _ := three(t)
				out, err := feed(c, test.in, size, sink)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "ends", sink.ends, test.ends...)
				equal(t, "frames", frames(t, out), test.out...)
				if left := 3 - len(sink.ends); c.Active() != left {
					t.Errorf("%d requests are active, %d should be", c.Active(), left)
				}
				c.Close(errTest, sink)
				if len(sink.ends) != 3 || c.Active() != 0 {
					t.Errorf("after Close %d of 3 requests have ended, and %d are active", len(sink.ends), c.Active())
				}
			}
		})
	}
}

// three opens a GET on stream 1 (tag 10), a POST of 70,000 bytes on stream 3 (tag 11), and
// a HEAD on stream 5 (tag 12). The window lets 65,535 bytes of the POST go.
func three(t testing.TB) (c *Conn, sink *record, out []byte) {
	c, sink = New(Config{WantHeaders: true}), newRecord(t)
	if _, err := c.Feed(nil, []byte(settingsFrame()), sink); err != nil {
		t.Fatal(err)
	}
	out = c.Open(out, 10, request("GET", "/", 0))
	out = c.Open(out, 11, request("POST", "/orders", 70000))
	out = c.Open(out, 12, request("HEAD", "/", 0))
	return c, sink, out
}

// Header blocks that make their answer, and nothing else, worthless.
func TestMalformedFields(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		says   string
	}{
		{"no status", []string{"a", "b"}, `the field "a" comes before :status (section 8.3)`},
		{"status twice", []string{":status", "200", ":status", "200"}, "it has :status twice (section 8.3)"},
		{"status after a field", []string{":status", "200", "a", "b", ":status", "200"}, `the field ":status" comes after others (section 8.3)`},
		{"status of two digits", []string{":status", "20"}, `its status is "20" (section 8.3.2)`},
		{"status of letters", []string{":status", "2xx"}, `its status is "2xx" (section 8.3.2)`},
		{"status below 100", []string{":status", "099"}, `its status is "099" (section 8.3.2)`},
		{"a request's field", []string{":status", "200", ":path", "/"}, `it has the field ":path" (section 8.3)`},
		{"upper case", []string{":status", "200", "Server", "x"}, `it has a field named "Server" (section 8.2.1)`},
		{"no name", []string{":status", "200", "", "x"}, `it has a field named "" (section 8.2.1)`},
		{"space in a name", []string{":status", "200", "a b", "x"}, `it has a field named "a b" (section 8.2.1)`},
		{"colon in a name", []string{":status", "200", "a:b", "x"}, `it has a field named "a:b" (section 8.2.1)`},
		{"not ASCII in a name", []string{":status", "200", "a\x80", "x"}, `it has a field named "a\x80" (section 8.2.1)`},
		{"line feed in a value", []string{":status", "200", "a", "x\ny"}, `the value of its field "a" has a byte that is not allowed there (section 8.2.1)`},
		{"zero in a value", []string{":status", "200", "a", "x\x00"}, `the value of its field "a" has a byte that is not allowed there (section 8.2.1)`},
		{"space before a value", []string{":status", "200", "a", " x"}, `the value of its field "a" has a byte that is not allowed there (section 8.2.1)`},
		{"tab after a value", []string{":status", "200", "a", "x\t"}, `the value of its field "a" has a byte that is not allowed there (section 8.2.1)`},
		{"connection", []string{":status", "200", "connection", "close"}, "the field connection is not for HTTP/2 (section 8.2.2)"},
		{"transfer-encoding", []string{":status", "200", "transfer-encoding", "chunked"}, "the field transfer-encoding is not for HTTP/2 (section 8.2.2)"},
		{"length of letters", []string{":status", "200", "content-length", "1x"}, `its content length is "1x"`},
		{"empty length", []string{":status", "200", "content-length", ""}, `its content length is ""`},
		{"endless length", []string{":status", "200", "content-length", "99999999999999999999"}, `its content length is "99999999999999999999"`},
		{"two lengths", []string{":status", "200", "content-length", "1", "content-length", "2"}, "it has two content lengths, 1 and 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, sink, _ := three(t)
			// The second block names what the first one put into the table: a
			// malformed answer must be read to its end.
			block := append(fieldBlock(test.fields...), 0x40, 1, 'k', 1, 'v')
			out, err := c.Feed(nil, []byte(raw(kindHeaders, flagEndHeaders|flagEndStream, 1, block...)+
				raw(kindHeaders, flagEndHeaders|flagEndStream, 5, ok200[0], 0x80|62)), sink)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "frames", frames(t, out), "RST_STREAM 1 PROTOCOL_ERROR")
			if len(sink.ends) != 2 || !strings.HasSuffix(sink.ends[0], broke+test.says) || sink.ends[1] != "12: 200 k=v" {
				t.Errorf("ends %q, want one with %q, then 12: 200 k=v", sink.ends, test.says)
			}
		})
	}
}

// Trailers have rules of their own.
func TestMalformedTrailers(t *testing.T) {
	for _, test := range []struct{ name, field, says string }{
		{"status", ":status", `its trailers have the field ":status" (section 8.1)`},
		{"upper case", "Etag", `it has a field named "Etag" (section 8.2.1)`},
	} {
		c, sink, _ := three(t)
		_, err := c.Feed(nil, []byte(headFrame(1, 0, ":status", "200")+headFrame(1, flagEndStream, test.field, "200")), sink)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, test.name, sink.ends, "10: 200 "+broke+test.says)
	}
}
