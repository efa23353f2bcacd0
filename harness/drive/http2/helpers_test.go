// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// record keeps what it is told, by tag.
type record struct {
	tb      testing.TB
	headers map[int32][]string
	bodies  map[int32][]byte
	ended   map[int32]bool
	ends    []string
	limit   int // of a body; 0: none
}

var errLimit = errors.New("enough")

func newRecord(tb testing.TB) *record {
	return &record{tb: tb, headers: map[int32][]string{}, bodies: map[int32][]byte{}, ended: map[int32]bool{}}
}

func (r *record) Header(tag int32, name, value []byte) {
	r.headers[tag] = append(r.headers[tag], string(name)+"="+string(value))
}

func (r *record) Body(tag int32, fragment []byte) error {
	if r.ended[tag] {
		r.tb.Errorf("request %d has a body after its end", tag)
	}
	r.bodies[tag] = append(r.bodies[tag], fragment...)
	if r.limit > 0 && len(r.bodies[tag]) > r.limit {
		return errLimit
	}
	return nil
}

func (r *record) End(tag int32, status int, err error) {
	if r.ended[tag] {
		r.tb.Errorf("request %d ends twice", tag)
	}
	r.ended[tag] = true
	text := strings.Join(append([]string{fmt.Sprintf("%d: %d", tag, status)}, r.headers[tag]...), " ")
	if body := r.bodies[tag]; len(body) > 0 && r.limit == 0 {
		text += fmt.Sprintf(" %.20q", body)
	}
	if err != nil {
		text += " " + err.Error()
		if Unprocessed(err) {
			text += " [unprocessed]"
		}
	}
	r.ends = append(r.ends, text)
}

// raw is a frame as it is sent, right or wrong.
func raw(kind, flags byte, id uint32, payload ...byte) string {
	return string(appendHeader(nil, len(payload), kind, flags, id)) + string(payload)
}

// fieldBlock encodes pairs of names and values without the table.
func fieldBlock(pairs ...string) []byte {
	var block []byte
	for i := 0; i < len(pairs); i += 2 {
		block = appendText(appendText(append(block, 0), pairs[i]), pairs[i+1])
	}
	return block
}

// head is a whole HEADERS frame.
func headFrame(id uint32, flags byte, pairs ...string) string {
	return raw(kindHeaders, flags|flagEndHeaders, id, fieldBlock(pairs...)...)
}

func dataFrameOf(id uint32, flags byte, content string) string {
	return raw(kindData, flags, id, []byte(content)...)
}

func settingsFrame(pairs ...uint32) string {
	var payload []byte
	for i := 0; i < len(pairs); i += 2 {
		payload = appendSetting(payload, uint16(pairs[i]), pairs[i+1])
	}
	return raw(kindSettings, 0, 0, payload...)
}

func word(values ...uint32) (b []byte) {
	for _, v := range values {
		b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return b
}

// frames describes what a connection wrote, read by another implementation.
func frames(tb testing.TB, out []byte) (list []string) {
	tb.Helper()
	framer := xhttp2.NewFramer(io.Discard, bytes.NewReader(out))
	framer.ReadMetaHeaders = hpack.NewDecoder(maxTable, nil)
	for {
		f, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			tb.Fatalf("what was written is wrong: %v", err)
		}
		id := f.Header().StreamID
		switch f := f.(type) {
		case *xhttp2.MetaHeadersFrame:
			text := fmt.Sprintf("HEADERS %d", id)
			for _, h := range f.Fields {
				text += " " + h.Name + "=" + h.Value
			}
			list = append(list, text+end(f.StreamEnded()))
		case *xhttp2.DataFrame:
			list = append(list, fmt.Sprintf("DATA %d %d", id, len(f.Data()))+end(f.StreamEnded()))
		case *xhttp2.RSTStreamFrame:
			list = append(list, fmt.Sprintf("RST_STREAM %d %v", id, f.ErrCode))
		case *xhttp2.GoAwayFrame:
			list = append(list, fmt.Sprintf("GOAWAY %v", f.ErrCode))
		case *xhttp2.WindowUpdateFrame:
			list = append(list, fmt.Sprintf("WINDOW_UPDATE %d %d", id, f.Increment))
		case *xhttp2.SettingsFrame:
			text := "SETTINGS"
			_ = f.ForeachSetting(func(s xhttp2.Setting) error {
				text += fmt.Sprintf(" %v", s)
				return nil
			})
			if f.IsAck() {
				text += " ACK"
			}
			list = append(list, text)
		case *xhttp2.PingFrame:
			list = append(list, fmt.Sprintf("PING %q %v", f.Data, f.IsAck()))
		default:
			tb.Fatalf("a %v was written", f)
		}
	}
}

func end(stream bool) string {
	if stream {
		return " END"
	}
	return ""
}

func request(method, path string, body int) *Request {
	return &Request{Method: method, Scheme: "https", Authority: "shop.example", Path: []byte(path), Body: bytes.Repeat([]byte("b"), body)}
}

// feed gives text to c in pieces of size bytes, and returns what c wrote.
func feed(c *Conn, text string, size int, sink Sink) (out []byte, err error) {
	for from := 0; from < len(text) && err == nil; from += size {
		out, err = c.Feed(out, []byte(text[from:min(from+size, len(text))]), sink)
	}
	return out, err
}

func equal(tb testing.TB, what string, got []string, want ...string) {
	tb.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		tb.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
