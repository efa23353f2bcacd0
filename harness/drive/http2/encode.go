// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"slices"

	"golang.org/x/net/http2/hpack"
)

const maxHeads = 16 // endpoints of a connection whose encoded fields are kept

// encoder writes the header blocks of requests. The constant fields of an endpoint go
// through the table of fields, as in browsers. The path and the changing fields do not, so
// that they evict no constant field.
type encoder struct {
	hpack   *hpack.Encoder
	out     []byte // what hpack writes
	changes uint64 // of the table, which move the indices of its fields
	heads   []head
	turn    int // index of the head that is replaced next
}

// head is the encoding of an endpoint's constant fields. It is valid until the table
// changes.
type head struct {
	method, scheme, authority string
	fields                    []Field

	changes uint64
	block   []byte
	path    int // offset in block of the place for the path
}

func newEncoder() *encoder {
	e := &encoder{}
	e.hpack = hpack.NewEncoder(e)
	return e
}

// Write takes one encoded field from hpack. The first bits say whether the field changes
// the table: a new size, or a field that is added.
func (e *encoder) Write(p []byte) (int, error) {
	if p[0]&0xc0 == 0x40 || p[0]&0xe0 == 0x20 {
		e.changes++
	}
	e.out = append(e.out, p...)
	return len(p), nil
}

// resize takes the size of table that the server allows.
func (e *encoder) resize(size uint32) {
	size = min(size, maxTable)
	if size != e.hpack.MaxDynamicTableSize() {
		e.hpack.SetMaxDynamicTableSize(size)
		e.changes++
	}
}

// encode appends the header block of r.
func (e *encoder) encode(dst []byte, r *Request) []byte {
	block, path := e.head(r)
	dst = append(dst, block[:path]...)
	dst = appendPath(dst, r.Path)
	dst = append(dst, block[path:]...)
	for i := range r.Extra {
		dst = appendChanging(dst, &r.Extra[i])
	}
	return dst
}

// head encodes the constant fields of r.
func (e *encoder) head(r *Request) (block []byte, path int) {
	for i := range e.heads {
		h := &e.heads[i]
		if h.changes == e.changes && h.is(r) {
			return h.block, h.path
		}
	}
	before := e.changes
	e.out = e.out[:0]
	e.field(":method", r.Method)
	e.field(":scheme", r.Scheme)
	if r.Authority != "" {
		e.field(":authority", r.Authority)
	}
	path = len(e.out)
	for _, f := range r.Fields {
		e.field(f.Name, f.Value)
	}
	if e.changes == before && len(e.out) <= keptBuffer {
		e.keep(r, path)
	}
	return e.out, path
}

func (e *encoder) field(name, value string) {
	// Write never fails, and so hpack does not.
	_ = e.hpack.WriteField(hpack.HeaderField{Name: name, Value: value})
}

func (h *head) is(r *Request) bool {
	return h.method == r.Method && h.scheme == r.Scheme && h.authority == r.Authority && slices.Equal(h.fields, r.Fields)
}

func (e *encoder) keep(r *Request, path int) {
	if len(e.heads) < maxHeads {
		e.heads = append(e.heads, head{})
		e.turn = len(e.heads) - 1
	}
	h := &e.heads[e.turn]
	e.turn = (e.turn + 1) % maxHeads
	h.method, h.scheme, h.authority = r.Method, r.Scheme, r.Authority
	h.fields = append(h.fields[:0], r.Fields...)
	h.changes, h.path = e.changes, path
	h.block = append(h.block[:0], e.out...)
}

// appendPath writes the path: RFC 7541, sections 6.1 and 6.2.2.
func appendPath(dst, path []byte) []byte {
	const root, index = 4, 5
	switch string(path) {
	case "/":
		return append(dst, 0x80|root)
	case "/index.html":
		return append(dst, 0x80|index)
	}
	return appendText(append(dst, root), path)
}

func appendChanging(dst []byte, f *Changing) []byte {
	if index := staticNames[f.Name]; index > 0 {
		return appendText(appendInteger(dst, 0, 4, index), f.Value)
	}
	return appendText(appendText(append(dst, 0), f.Name), f.Value)
}
