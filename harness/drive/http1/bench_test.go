// SPDX-License-Identifier: Apache-2.0

package http1

import "testing"

const plainAnswer = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nLast-Modified: Sat, 21 Nov 2026 09:00:00 GMT\r\nConnection: keep-alive\r\nAccept-Ranges: bytes\r\n\r\nhello world\n"

const chunkedAnswer = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n10\r\n0123456789abcdef\r\n8\r\n01234567\r\n0\r\n\r\n"

// none takes a response and keeps nothing of it.
type none struct{ headers, body int }

func (n *none) Header(name, value []byte) { n.headers += len(name) + len(value) }

func (n *none) Body(fragment []byte) error { n.body += len(fragment); return nil }

func benchmark(b *testing.B, text string, size int, headers bool) {
	p := Parser{WantHeaders: headers}
	var sink none
	data := []byte(text)
	b.ReportAllocs()
	for b.Loop() {
		p.Reset(false)
		var complete bool
		for from := 0; from < len(data); from += size {
			var err error
			if _, complete, err = p.Feed(data[from:min(from+size, len(data))], &sink); err != nil {
				b.Fatal(err)
			}
		}
		if !complete {
			b.Fatal("the response is not complete")
		}
	}
}

func BenchmarkParserPlain(b *testing.B)        { benchmark(b, plainAnswer, len(plainAnswer), false) }
func BenchmarkParserPlainHeaders(b *testing.B) { benchmark(b, plainAnswer, len(plainAnswer), true) }
func BenchmarkParserPlainCut(b *testing.B)     { benchmark(b, plainAnswer, 64, false) }
func BenchmarkParserChunked(b *testing.B)      { benchmark(b, chunkedAnswer, len(chunkedAnswer), false) }
