// SPDX-License-Identifier: Apache-2.0

package http2

import "errors"

// What makes a header block useless, and with it the connection: RFC 7541,
// section 2.3.3 and others.
var (
	errBlockCut     = errors.New("the header block ends inside a field")
	errInteger      = errors.New("an integer of the header block is beyond the limit")
	errIndex        = errors.New("the header block names a field that is in no table")
	errHuffman      = errors.New("a string of the header block is no Huffman code")
	errTableSize    = errors.New("the header block asks for a larger table of fields than was offered")
	errUpdateInside = errors.New("the header block changes the table's size after its first field")
)

// decoder reads header blocks. Every block must be read to its end, or the
// tables of the two sides differ from then on.
type decoder struct {
	table   table
	scratch []byte // the strings of one field
}

// begin reads the changes of the table's size that may come before a block's first field:
// RFC 7541, section 4.2.
func (d *decoder) begin(block []byte) ([]byte, error) {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		size, rest, err := readInteger(block, 5)
		if err != nil {
			return nil, err
		}
		if size > d.table.limit {
			return nil, errTableSize
		}
		d.table.resize(size)
		block = rest
	}
	return block, nil
}

// next reads a field from a block that is not empty. The slices are valid until
// the next call.
func (d *decoder) next(block []byte) (name, value, rest []byte, err error) {
	first := block[0]
	switch {
	case first&0x80 != 0:
		index, rest, err := readInteger(block, 7)
		if err != nil {
			return nil, nil, nil, err
		}
		name, value, ok := d.at(index)
		if !ok {
			return nil, nil, nil, errIndex
		}
		return name, value, rest, nil
	case first&0x40 != 0:
		name, value, rest, err = d.literal(block, 6)
		if err != nil {
			return nil, nil, nil, err
		}
		d.table.add(name, value)
		return name, value, rest, nil
	case first&0x20 != 0:
		return nil, nil, nil, errUpdateInside
	}
	return d.literal(block, 4) // which the table does not learn: RFC 7541, sections 6.2.2 and 6.2.3
}

// literal reads a field whose value, and perhaps name, is not in a table. Its slices do not
// lie in the table's arena.
func (d *decoder) literal(block []byte, prefix uint) (name, value, rest []byte, err error) {
	d.scratch = d.scratch[:0]
	index, rest, err := readInteger(block, prefix)
	if err != nil {
		return nil, nil, nil, err
	}
	switch {
	case index == 0:
		if name, rest, err = d.text(rest); err != nil {
			return nil, nil, nil, err
		}
	case index <= len(staticBytes):
		name = staticBytes[index-1].name
	default:
		inTable, _, ok := d.at(index)
		if !ok {
			return nil, nil, nil, errIndex
		}
		// Adding the field may move the arena, or drop this entry.
		d.scratch = append(d.scratch, inTable...)
		name = d.scratch
	}
	value, rest, err = d.text(rest)
	return name, value, rest, err
}

func (d *decoder) at(index int) (name, value []byte, ok bool) {
	if index >= 1 && index <= len(staticBytes) {
		f := &staticBytes[index-1]
		return f.name, f.value, true
	}
	return d.table.at(index - len(staticBytes))
}

// text reads a string: RFC 7541, section 5.2.
func (d *decoder) text(block []byte) (s, rest []byte, err error) {
	if len(block) == 0 {
		return nil, nil, errBlockCut
	}
	length, rest, err := readInteger(block, 7)
	if err != nil {
		return nil, nil, err
	}
	if length > len(rest) {
		return nil, nil, errBlockCut
	}
	s, rest = rest[:length], rest[length:]
	if block[0]&0x80 == 0 {
		return s, rest, nil
	}
	// A name that is in the scratch already stays valid when this grows it.
	from := len(d.scratch)
	scratch, ok := code.decode(d.scratch, s)
	d.scratch = scratch
	if !ok {
		return nil, nil, errHuffman
	}
	return scratch[from:], rest, nil
}

// readInteger reads an integer that begins in the low prefix bits of the first byte: RFC
// 7541, section 5.1. It refuses integers beyond 2^28 or of more than four further bytes.
func readInteger(b []byte, prefix uint) (value int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errBlockCut
	}
	most := 1<<prefix - 1
	value = int(b[0]) & most
	b = b[1:]
	if value < most {
		return value, b, nil
	}
	for shift := uint(0); shift < 28; shift += 7 {
		if len(b) == 0 {
			return 0, nil, errBlockCut
		}
		next := b[0]
		b = b[1:]
		value += int(next&0x7f) << shift
		if next&0x80 == 0 {
			return value, b, nil
		}
	}
	return 0, nil, errInteger
}

func appendInteger(dst []byte, first byte, prefix uint, value int) []byte {
	most := 1<<prefix - 1
	if value < most {
		return append(dst, first|byte(value))
	}
	dst = append(dst, first|byte(most))
	for value -= most; value >= 0x80; value >>= 7 {
		dst = append(dst, byte(value)|0x80)
	}
	return append(dst, byte(value))
}

// appendText writes a string in the shorter of its two forms.
func appendText[T text](dst []byte, s T) []byte {
	if n := huffmanLen(s); n < len(s) {
		return appendHuffman(appendInteger(dst, 0x80, 7, n), s)
	}
	return append(appendInteger(dst, 0, 7, len(s)), s...)
}
