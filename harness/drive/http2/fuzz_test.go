// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// FuzzFeed feeds anything after the server's SETTINGS. However the bytes are cut, the
// result must be the same. Every request ends once, and memory and output stay within
// their limits.
func FuzzFeed(f *testing.F) {
	f.Add(appendAnswer(nil, 1, nginxBlock(), []byte("hello")), uint16(5))
	for i, test := range answers {
		f.Add([]byte(test.in), uint16(i))
	}
	for i, test := range connectionErrors {
		if len(test.in) <= maxFrame {
			f.Add([]byte(test.in), uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		whole, wholeOut, wholeErr := fuzzed(t, in, len(in)+1)
		cut, cutOut, cutErr := fuzzed(t, in, int(size)+1)
		equal(t, "ends of the cut input", cut.ends, whole.ends...)
		if !bytes.Equal(wholeOut, cutOut) || fmt.Sprint(wholeErr) != fmt.Sprint(cutErr) {
			t.Errorf("whole: wrote %q, error %v\ncut: wrote %q, error %v", wholeOut, wholeErr, cutOut, cutErr)
		}
	})
}

func fuzzed(t *testing.T, in []byte, size int) (*record, []byte, error) {
	c, sink, _ := three(t)
	sink.limit = 1000
	out, err := feed(c, string(in), size, sink)
	if most := 13*len(in) + 2*70000 + 17; len(out) > most {
		t.Errorf("%d bytes were written for %d", len(out), len(in))
	}
	if cap(c.partial) > 2*(maxFrame+frameHeaderBytes) || cap(c.decoder.table.arena) > 2*maxTable || cap(c.block.bytes) > 2*len(in)+64 {
		t.Errorf("buffers of %d, %d and %d bytes are kept", cap(c.partial), cap(c.decoder.table.arena), cap(c.block.bytes))
	}
	if left := 3 - len(sink.ends); c.Active() != left || c.streams.waiting > left {
		t.Errorf("%d requests are active and %d wait, %d have ended", c.Active(), c.streams.waiting, len(sink.ends))
	}
	c.Close(errTest, sink)
	if len(sink.ends) != 3 || c.Active() != 0 {
		t.Errorf("after Close %d of 3 requests have ended", len(sink.ends))
	}
	return sink, out, err
}

// A small block that names a large field again and again: RFC 7541, section
// 7.3. Its stream fails, and the connection stays of use.
func TestDecodedLimit(t *testing.T) {
	c, sink, _ := three(t)
	value := strings.Repeat("v", 4000)
	block := append([]byte(ok200), appendText(appendText([]byte{0x40}, "k"), value)...)
	for range maxBlock / 4000 {
		block = append(block, 0x80|62)
	}
	out, err := c.Feed(nil, []byte(raw(kindHeaders, flagEndHeaders, 1, block...)+dataFrameOf(1, 1, "x")+
		raw(kindHeaders, flagEndHeaders|flagEndStream, 5, ok200[0], 0x80|62)), sink)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "frames", frames(t, out), "RST_STREAM 1 ENHANCE_YOUR_CALM")
	const says = "the answer breaks HTTP/2, ENHANCE_YOUR_CALM: its header is beyond the limit of 1048576 bytes"
	if len(sink.ends) != 2 || !strings.HasSuffix(sink.ends[0], says) || sink.ends[1] != "12: 200 k="+value {
		t.Errorf("the ends are %.200q", sink.ends)
	}
}

// A large header block leaves no large buffer behind.
func TestLargeBuffersAreGivenBack(t *testing.T) {
	c, sink, _ := three(t)
	block := append([]byte(ok200), fieldBlock("k", strings.Repeat("e", 300<<10))...) // 5 bits each
	in := raw(kindHeaders, flagEndStream, 1, block[:maxFrame]...)
	for block = block[maxFrame:]; len(block) > maxFrame; block = block[maxFrame:] {
		in += raw(kindContinuation, 0, 1, block[:maxFrame]...)
	}
	if _, err := feed(c, in+raw(kindContinuation, flagEndHeaders, 1, block...), 1000, sink); err != nil {
		t.Fatal(err)
	}
	if len(sink.ends) != 1 || len(sink.ends[0]) != len("10: 200 k=")+300<<10 {
		t.Errorf("the ends are %.200q", sink.ends)
	}
	if cap(c.block.bytes) > keptBuffer || cap(c.decoder.scratch) > keptBuffer {
		t.Errorf("buffers of %d and %d bytes are kept", cap(c.block.bytes), cap(c.decoder.scratch))
	}
}

// An exchange allocates nothing, whether its header is in the table or not.
func TestNoAllocation(t *testing.T) {
	r := request("POST", "/products/4711?page=2", 200)
	r.Fields = plainFields
	r.Extra = []Changing{{"content-length", []byte("200")}, {"x-session-of-a-name-beyond-thirty-two-bytes", []byte("8f14e45fceea167a")}}
	body := make([]byte, 128)
	for name, blocks := range map[string][][]byte{"table": tableBlocks(), "no table": {nginxBlock()}} {
		c, sink := New(Config{WantHeaders: true}), &quiet{}
		greet(t, c)
		var out, in []byte
		turn := 0
		exchanges := func() {
			for range 1024 {
				in = appendAnswer(in[:0], c.nextID, blocks[turn%len(blocks)], body)
				in = appendWindow(in, 0, 200)
				out = c.Open(out[:0], int32(turn), r)
				half := len(in) / 2
				for _, piece := range [][]byte{in[:half], in[half:]} {
					var err error
					if out, err = c.Feed(out, piece, sink); err != nil {
						t.Fatal(err)
					}
				}
				turn++
			}
		}
		exchanges()
		if n := testing.AllocsPerRun(1, exchanges); n != 0 {
			t.Errorf("%s: 1024 exchanges allocate %v times", name, n)
		}
		if sink.ended != turn {
			t.Errorf("%s: %d of %d requests ended well", name, sink.ended, turn)
		}
	}
}
