// SPDX-License-Identifier: Apache-2.0

package dataset

import (
	"io"

	"headroom/targets/shop/shards"
)

// chunkBytes is about how much of a table is in memory at any time.
const chunkBytes = 256 << 10

// stream reads those of rows 1..count of one table that are wanted, a line
// each.
type stream struct {
	appendRow func(b []byte, id int) []byte
	wants     func(id int) bool // nil wants all
	count     int
	wanted    int // rows so far
	done      int
	chunk     []byte
	rest      []byte // of chunk, not yet read
}

func newStream(count int, wants func(int) bool, appendRow func([]byte, int) []byte) *stream {
	return &stream{appendRow: appendRow, wants: wants, count: count, chunk: make([]byte, 0, chunkBytes+4096)}
}

// newTableStream streams the rows of a table that size wants.
func newTableStream(t table, size Size) *stream {
	source := &rows{size: size}
	var wants func(int) bool
	if size.Shards > 0 {
		wants = func(id int) bool { return shards.Hash(int64(t.key(source, id)), size.Shards) == size.Shard-1 }
	}
	return newStream(t.count(size), wants, func(b []byte, id int) []byte { return t.row(source, b, id) })
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		b := s.chunk[:0]
		for len(b) < chunkBytes && s.done < s.count {
			s.done++
			if s.wants == nil || s.wants(s.done) {
				s.wanted++
				b = append(s.appendRow(b, s.done), '\n')
			}
		}
		if len(b) == 0 {
			return 0, io.EOF
		}
		s.chunk, s.rest = b, b
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
