package dataset

import "io"

// chunkBytes is about how much of a table is in memory at any time.
const chunkBytes = 256 << 10

// stream reads rows 1..count of one table, a line each.
type stream struct {
	appendRow func(b []byte, id int) []byte
	count     int
	done      int
	chunk     []byte
	rest      []byte // of chunk, not yet read
}

func newStream(count int, appendRow func([]byte, int) []byte) *stream {
	return &stream{appendRow: appendRow, count: count, chunk: make([]byte, 0, chunkBytes+4096)}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.done == s.count {
			return 0, io.EOF
		}
		b := s.chunk[:0]
		for len(b) < chunkBytes && s.done < s.count {
			s.done++
			b = append(s.appendRow(b, s.done), '\n')
		}
		s.chunk, s.rest = b, b
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
