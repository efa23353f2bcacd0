// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// connectionErrors are what a server may not send after the requests of three.
var connectionErrors = []struct{ section, name, in, code, says string }{
	{"4.2", "a large frame", raw(kindPing, 0, 0, make([]byte, maxFrame+1)...), "FRAME_SIZE_ERROR", "16385 bytes, more than the 16384"},
	{"4.3", "a bad header block", raw(kindHeaders, flagEndHeaders, 1, 0xff, 0xff), "COMPRESSION_ERROR", "ends inside a field"},
	{"4.3", "a bad header block of an ended stream", headFrame(1, 1, ":status", "200") + raw(kindHeaders, flagEndHeaders, 1, 0x80), "COMPRESSION_ERROR", "in no table"},
	{"5.1", "data of an idle stream", dataFrameOf(7, 0, "x"), "PROTOCOL_ERROR", "DATA frame is for stream 7"},
	{"5.1", "headers of an idle stream", headFrame(7, 0, ":status", "200"), "PROTOCOL_ERROR", "HEADERS frame is for stream 7"},
	{"5.1", "reset of an idle stream", raw(kindReset, 0, 7, word(0)...), "PROTOCOL_ERROR", "RST_STREAM frame is for stream 7"},
	{"5.1", "window of an idle stream", raw(kindWindow, 0, 7, word(1)...), "PROTOCOL_ERROR", "WINDOW_UPDATE frame is for stream 7"},
	{"5.1.1", "a stream of the server", headFrame(2, 0, ":status", "200"), "PROTOCOL_ERROR", "stream 2, which is idle"},
	{"6.1", "data of no stream", dataFrameOf(0, 0, "x"), "PROTOCOL_ERROR", "DATA frame names no stream"},
	{"6.1", "data that is padding", raw(kindData, flagPadded, 1, 2, 0), "PROTOCOL_ERROR", "2 bytes has 2 bytes of padding"},
	{"6.1", "padded data of nothing", raw(kindData, flagPadded, 1), "FRAME_SIZE_ERROR", "padded DATA frame is empty"},
	{"6.2", "headers of no stream", headFrame(0, 0, ":status", "200"), "PROTOCOL_ERROR", "HEADERS frame names no stream"},
	{"6.2", "headers that are padding", raw(kindHeaders, flagPadded|flagEndHeaders, 1, 2, 0), "PROTOCOL_ERROR", "2 bytes of padding in 1"},
	{"6.2", "padded headers of nothing", raw(kindHeaders, flagPadded|flagEndHeaders, 1), "FRAME_SIZE_ERROR", "padded HEADERS frame is empty"},
	{"6.2", "headers without room for priority", raw(kindHeaders, flagPriority|flagEndHeaders, 1, 0, 0), "FRAME_SIZE_ERROR", "no room for its priority"},
	{"6.3", "priority of no stream", raw(kindPriority, 0, 0, 0, 0, 0, 3, 1), "PROTOCOL_ERROR", "PRIORITY frame names no stream"},
	{"6.4", "reset of no stream", raw(kindReset, 0, 0, word(0)...), "PROTOCOL_ERROR", "RST_STREAM frame names no stream"},
	{"6.4", "reset of a wrong size", raw(kindReset, 0, 1, 0), "FRAME_SIZE_ERROR", "RST_STREAM frame has 1 bytes"},
	{"6.5", "settings of a stream", raw(kindSettings, 0, 1), "PROTOCOL_ERROR", "SETTINGS frame names stream 1"},
	{"6.5", "settings of a wrong size", raw(kindSettings, 0, 0, 1), "FRAME_SIZE_ERROR", "SETTINGS frame has 1 bytes"},
	{"6.5", "acknowledged settings", raw(kindSettings, flagAck, 0, make([]byte, 6)...), "FRAME_SIZE_ERROR", "SETTINGS frame has 6 bytes"},
	{"6.5.2", "push", settingsFrame(settingPush, 1), "PROTOCOL_ERROR", "ENABLE_PUSH to 1"},
	{"6.5.2", "window", settingsFrame(settingWindow, 1<<31), "FLOW_CONTROL_ERROR", "INITIAL_WINDOW_SIZE of 2147483648"},
	{"6.5.2", "small frames", settingsFrame(settingFrameSize, maxFrame-1), "PROTOCOL_ERROR", "MAX_FRAME_SIZE to 16383"},
	{"6.5.2", "large frames", settingsFrame(settingFrameSize, 1<<24), "PROTOCOL_ERROR", "MAX_FRAME_SIZE to 16777216"},
	{"6.6", "push", raw(kindPush, flagEndHeaders, 1, word(2)...), "PROTOCOL_ERROR", "it pushes"},
	{"6.7", "ping of a stream", raw(kindPing, 0, 1, make([]byte, 8)...), "PROTOCOL_ERROR", "PING frame names stream 1"},
	{"6.7", "ping of a wrong size", raw(kindPing, 0, 0, 1), "FRAME_SIZE_ERROR", "PING frame has 1 bytes"},
	{"6.8", "goaway of a stream", raw(kindGoAway, 0, 1, word(1, 0)...), "PROTOCOL_ERROR", "GOAWAY frame names stream 1"},
	{"6.8", "goaway of a wrong size", raw(kindGoAway, 0, 0, word(1)...), "FRAME_SIZE_ERROR", "GOAWAY frame has 4 bytes"},
	{"6.8", "goaway that goes up", raw(kindGoAway, 0, 0, word(1, 0)...) + raw(kindGoAway, 0, 0, word(3, 0)...), "PROTOCOL_ERROR", "3 after 1"},
	{"6.9", "window of a wrong size", raw(kindWindow, 0, 0, 1), "FRAME_SIZE_ERROR", "WINDOW_UPDATE frame has 1 bytes"},
	{"6.9", "window of nothing", raw(kindWindow, 0, 0, word(0)...), "PROTOCOL_ERROR", "adds nothing"},
	{"6.9.1", "a window too large", raw(kindWindow, 0, 0, word(maxWindow)...) + raw(kindWindow, 0, 0, word(1)...), "FLOW_CONTROL_ERROR", "connection's window too large"},
	{"6.9.2", "a start too large", raw(kindWindow, 0, 1, word(maxWindow-defaultWindow)...) + settingsFrame(settingWindow, defaultWindow+1), "FLOW_CONTROL_ERROR", "INITIAL_WINDOW_SIZE of 65536"},
	{"6.10", "continuation of nothing", raw(kindContinuation, 0, 1), "PROTOCOL_ERROR", "continues nothing"},
	{"6.10", "continuation of another stream", raw(kindHeaders, 0, 1) + raw(kindContinuation, 0, 3), "PROTOCOL_ERROR", "not continued"},
	{"6.10", "a frame instead of a continuation", raw(kindHeaders, 0, 1) + raw(0xbe, 0, 1), "PROTOCOL_ERROR", "not continued"},
	{"10.5.1", "continuations without end", endless, "ENHANCE_YOUR_CALM", "1048576 bytes or 256 frames"},
	{"10.5.1", "continuations of nothing", raw(kindHeaders, 0, 1) + strings.Repeat(raw(kindContinuation, 0, 1), maxBlockFrames), "ENHANCE_YOUR_CALM", "1048576 bytes or 256 frames"},
}

// endless is a header block beyond the limit.
var endless = raw(kindHeaders, 0, 1, make([]byte, maxFrame)...) + strings.Repeat(raw(kindContinuation, 0, 1, make([]byte, maxFrame)...), maxBlock/maxFrame)

// Such frames end the connection, and all requests with it.
func TestConnectionErrors(t *testing.T) {
	for _, test := range connectionErrors {
		t.Run(test.section+"/"+test.name, func(t *testing.T) {
			for _, size := range []int{1, 1 << 20} {
				c, sink, _ := three(t)
				out, err := feed(c, test.in, size, sink)
				var failure *ConnectionError
				if !errors.As(err, &failure) || failure.Code.String() != test.code || !strings.Contains(failure.Reason, test.says) {
					t.Fatalf("error %v, want %s with %q", err, test.code, test.says)
				}
				if list := frames(t, out); len(list) == 0 || list[len(list)-1] != "GOAWAY "+test.code {
					t.Errorf("frames %q, want GOAWAY %s at the end", list, test.code)
				}
				if c.FreeStreams() != 0 {
					t.Errorf("there is room for %d requests on a failed connection", c.FreeStreams())
				}
				if out, again := c.Feed(nil, []byte(raw(kindPing, 0, 0, make([]byte, 8)...)), sink); again != err || len(out) > 0 {
					t.Errorf("the next Feed wrote %q and said %v", out, again)
				}
				c.Close(err, sink)
				if out := c.Cancel(nil, 10); len(sink.ends) != 3 || len(out) > 0 {
					t.Errorf("ends %q, and Cancel wrote %q", sink.ends, out)
				}
			}
		})
	}
}

// The server's preface: RFC 9113, section 3.4.
func TestFirstFrame(t *testing.T) {
	for _, test := range []struct{ name, in, says string }{
		{"ping", raw(kindPing, 0, 0, make([]byte, 8)...), "first frame is not SETTINGS"},
		{"acknowledgement", raw(kindSettings, flagAck, 0), "first frame is not SETTINGS"},
		{"HTTP/1.1", "HTTP/1.1 400 Bad Request\r\n\r\n", `it answers with HTTP/1: "HTTP/1`},
	} {
		for _, size := range []int{1, 1 << 20} {
			c := New(Config{})
			_, err := feed(c, test.in, size, newRecord(t))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.says)
			}
		}
	}
}

func TestStart(t *testing.T) {
	out := New(Config{}).Start(nil)
	rest, ok := bytes.CutPrefix(out, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if !ok {
		t.Fatalf("Start writes %q", out)
	}
	equal(t, "frames", frames(t, rest),
		"SETTINGS [ENABLE_PUSH = 0] [INITIAL_WINDOW_SIZE = 16777216] [MAX_HEADER_LIST_SIZE = 1048576]",
		"WINDOW_UPDATE 0 1073676289") // 1 GiB less the 65,535 of the start
}

func TestOpen(t *testing.T) {
	_, _, out := three(t)
	equal(t, "frames", frames(t, out),
		"HEADERS 1 :method=GET :scheme=https :authority=shop.example :path=/ END",
		"HEADERS 3 :method=POST :scheme=https :authority=shop.example :path=/orders",
		"DATA 3 16384", "DATA 3 16384", "DATA 3 16384", "DATA 3 16383",
		"HEADERS 5 :method=HEAD :scheme=https :authority=shop.example :path=/ END")
}

// FreeStreams is what the server and the user allow, less the open requests.
func TestFreeStreams(t *testing.T) {
	c, sink := New(Config{}), newRecord(t)
	step := func(want int, in string) {
		t.Helper()
		if _, err := c.Feed(nil, []byte(in), sink); err != nil {
			t.Fatal(err)
		}
		if c.FreeStreams() != want {
			t.Errorf("room for %d, want %d", c.FreeStreams(), want)
		}
	}
	step(100, "")
	step(1<<30, settingsFrame()) // no limit but the ids
	step(3, settingsFrame(settingStreams, 3))
	c.Open(nil, 7, request("GET", "/", 0))
	step(2, "")
	c.Open(nil, -8, request("GET", "/", 0))
	step(0, settingsFrame(settingStreams, 1))
	step(0, headFrame(1, 1, ":status", "200"))
	c.Cancel(nil, -8)
	step(1, "")
	step(0, raw(kindGoAway, 0, 0, word(3, 0)...))
	if !c.Draining() || c.Active() != 0 {
		t.Errorf("draining %v with %d active", c.Draining(), c.Active())
	}

	c = New(Config{MaxStreams: 2})
	step(2, settingsFrame(settingStreams, 50))
	step(1, settingsFrame(settingStreams, 1))

	c = New(Config{})
	c.nextID = maxStreamID - 2
	step(2, settingsFrame())
	c.Open(nil, 1, request("GET", "/", 0))
	step(1, "")
	c.Open(nil, 2, request("GET", "/", 0))
	step(0, headFrame(maxStreamID, 1, ":status", "200"))
	if !c.Draining() || c.Active() != 1 {
		t.Errorf("without ids draining is %v, with %d active", c.Draining(), c.Active())
	}
}

func TestOpenWithoutFreeStreams(t *testing.T) {
	for name, prepare := range map[string]func(c *Conn){
		"tag in use": func(c *Conn) {},
		"closed":     func(c *Conn) { c.Close(io.EOF, newRecord(t)) },
		"no ids":     func(c *Conn) { c.Cancel(nil, 10); c.nextID = maxStreamID + 2 },
		"goaway": func(c *Conn) {
			if _, err := c.Feed(nil, []byte(raw(kindGoAway, 0, 0, word(0, 0)...)), newRecord(t)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := three(t)
			prepare(c)
			defer func() {
				if said := fmt.Sprint(recover()); !strings.HasPrefix(said, "http2: Open ") {
					t.Errorf("Open said %v", said)
				}
			}()
			c.Open(nil, 10, request("GET", "/", 0))
		})
	}
}

func TestAnswered(t *testing.T) {
	c, sink, _ := three(t)
	answered := func() (tags []int32) {
		for _, tag := range []int32{10, 11, 12, 13} {
			if c.Answered(tag) {
				tags = append(tags, tag)
			}
		}
		return tags
	}
	for _, step := range []struct {
		in   string
		want string
	}{
		{headFrame(1, 0, ":status", "100"), "[10]"},
		{headFrame(3, 0, ":status", "200")[:9], "[10 11]"}, // not all of the frame
		{headFrame(3, 0, ":status", "200")[9:], "[10 11]"},
		{raw(kindWindow, 0, 5, word(1)...)[:9], "[10 11]"},
		{raw(kindWindow, 0, 5, word(1)...)[9:], "[10 11]"},
		{raw(kindHeaders, 0, 5), "[10 11 12]"}, // not all of the block
		{raw(kindContinuation, flagEndHeaders, 5, ok200[0]), "[10 11 12]"},
		{dataFrameOf(5, 1, ""), "[10 11]"}, // 12 has ended
	} {
		if _, err := c.Feed(nil, []byte(step.in), sink); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(answered()); got != step.want {
			t.Errorf("after %q %s are answered, want %s", step.in, got, step.want)
		}
	}
}

// Frames of a cancelled request are dropped, but count.
func TestCancel(t *testing.T) {
	c, sink, _ := three(t)
	learns := append([]byte(ok200), 0x40, 1, 'k', 1, 'v') // into the table
	in := raw(kindHeaders, flagEndHeaders, 1, ok200[0]) + dataFrameOf(1, 0, "half")[:11]
	if _, err := c.Feed(nil, []byte(in), sink); err != nil {
		t.Fatal(err)
	}
	equal(t, "frames", frames(t, c.Cancel(c.Cancel(c.Cancel(nil, 10), 10), 11)), "RST_STREAM 1 CANCEL", "RST_STREAM 3 CANCEL")
	before := c.taken
	in = "lf" + dataFrameOf(1, 1, "rest") + raw(kindHeaders, flagEndHeaders|flagEndStream, 3, learns...) +
		raw(kindWindow, 0, 0, word(9999)...) + raw(kindHeaders, flagEndHeaders|flagEndStream, 5, ok200[0], 0x80|62)
	out, err := c.Feed(nil, []byte(in), sink)
	if err != nil || len(out) > 0 {
		t.Errorf("error %v, wrote %q", err, out)
	}
	equal(t, "ends", sink.ends, "12: 200 k=v")
	if got := string(sink.bodies[10]); got != "ha" || c.taken-before != 4 {
		t.Errorf("body %q, and the window is smaller by %d; want ha and 4", got, c.taken-before)
	}
}

// An error of the sink cancels its request, and no other.
func TestBodyError(t *testing.T) {
	c, sink, _ := three(t)
	sink.limit = 3
	out, err := feed(c, headFrame(1, 0, ":status", "200")+headFrame(5, 0, ":status", "200")+dataFrameOf(1, 0, "four")+dataFrameOf(1, 1, "more")+dataFrameOf(5, 1, ""), 1<<20, sink)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "ends", sink.ends, "10: 200 enough", "12: 200")
	equal(t, "frames", frames(t, out), "RST_STREAM 1 CANCEL")
}

// Close says what the server said before.
func TestClose(t *testing.T) {
	c, sink, _ := three(t)
	if _, err := c.Feed(nil, []byte(raw(kindGoAway, 0, 0, word(3, 2)...)), sink); err != nil {
		t.Fatal(err)
	}
	c.Close(io.EOF, sink)
	equal(t, "ends", sink.ends,
		"12: 0 the server ended the connection: GOAWAY INTERNAL_ERROR; it did not process the request [unprocessed]",
		"10: 0 EOF, after the server ended the connection: GOAWAY INTERNAL_ERROR",
		"11: 0 EOF, after the server ended the connection: GOAWAY INTERNAL_ERROR")
}
