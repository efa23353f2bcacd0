// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"strconv"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// quiet drops what it is told.
type quiet struct{ ended, bytes int }

func (q *quiet) Header(int32, []byte, []byte) {}

func (q *quiet) Body(_ int32, fragment []byte) error {
	q.bytes += len(fragment)
	return nil
}

func (q *quiet) End(_ int32, _ int, err error) {
	if err == nil {
		q.ended++
	}
}

var plainFields = []Field{
	{"user-agent", "headroom"}, {"accept", "*/*"}, {"accept-encoding", "gzip"}, {"cookie", "session=6f1c9a7e5b"},
}

// nginxBlock is a header block as nginx writes it: the table is set to no size,
// and then every field but the status is a literal that the table should learn.
func nginxBlock() []byte {
	block := []byte{0x20, 0x88}
	for _, f := range []struct {
		index int
		value string
	}{{54, "nginx/1.27.3"}, {33, "Thu, 26 Nov 2026 20:40:36 GMT"}, {31, "text/html; charset=utf-8"}, {28, "128"}} {
		block = appendText(appendInteger(block, 0x40, 6, f.index), f.value)
	}
	return block
}

// tableBlocks are header blocks of a server that uses the table: the date
// changes now and then. Indices count from the newest field, so that the blocks
// can be sent again and again.
func tableBlocks() (blocks [][]byte) {
	var w encodedBlock
	e := hpack.NewEncoder(&w)
	for i := range 512 {
		w = nil
		for _, f := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "server", Value: "envoy"},
			{Name: "content-type", Value: "application/json"}, {Name: "date", Value: "Thu, 26 Nov 2026 20:40:" + strconv.Itoa(10+i/32) + " GMT"},
			{Name: "content-length", Value: "128"}} {
			_ = e.WriteField(f)
		}
		blocks = append(blocks, w)
	}
	return blocks
}

type encodedBlock []byte

func (w *encodedBlock) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// appendAnswer writes an answer of one HEADERS and one DATA frame.
func appendAnswer(dst []byte, id uint32, block, body []byte) []byte {
	dst = append(appendHeader(dst, len(block), kindHeaders, flagEndHeaders, id), block...)
	return append(appendHeader(dst, len(body), kindData, flagEndStream, id), body...)
}

func greet(tb testing.TB, c *Conn) {
	settings := appendSetting(appendHeader(nil, settingBytes, kindSettings, 0, 0), settingStreams, 1000)
	if _, err := c.Feed(nil, settings, &quiet{}); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkExchange(b *testing.B) {
	get := Request{Method: "GET", Scheme: "https", Authority: "shop.example:8443", Path: []byte("/products/4711?page=2"), Fields: plainFields}
	post := get
	post.Method, post.Body = "POST", make([]byte, 200)
	post.Extra = []Changing{{"content-length", []byte("200")}, {"x-session", []byte("8f14e45fceea167a")}}
	body := make([]byte, 128)
	for _, bench := range []struct {
		name    string
		request Request
		blocks  [][]byte
	}{
		{"get/nginx", get, [][]byte{nginxBlock()}},
		{"get/table", get, tableBlocks()},
		{"post/nginx", post, [][]byte{nginxBlock()}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c, sink := New(Config{}), &quiet{}
			greet(b, c)
			var out, in []byte
			turn := 0
			exchange := func() {
				id := c.nextID
				out = c.Open(out[:0], int32(turn), &bench.request)
				in = appendAnswer(in[:0], id, bench.blocks[turn%len(bench.blocks)], body)
				if len(bench.request.Body) > 0 {
					in = appendWindow(in, 0, uint32(len(bench.request.Body)))
				}
				var err error
				if out, err = c.Feed(out, in, sink); err != nil {
					b.Fatal(err)
				}
				turn++
			}
			for range 2 * len(bench.blocks) {
				exchange()
			}
			b.ReportAllocs()
			for b.Loop() {
				exchange()
			}
			if sink.ended != turn {
				b.Fatalf("%d of %d requests ended well", sink.ended, turn)
			}
		})
	}
}
