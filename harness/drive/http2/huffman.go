// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"
)

const (
	rootBits    = 8  // of the first look-up, enough for nearly all text
	longestCode = 30 // bits
)

// huffman is HPACK's code (RFC 7541, appendix B). x/net has the code too, but it encodes
// strings only, and decodes through a pool and a tree. The load driver has bytes, and
// spends most of an answer's header time here.
type huffman struct {
	codes   [256]uint32
	lengths [256]uint8
	root    [1 << rootBits]struct{ symbol, length uint8 } // length 0: a longer code

	// The code is canonical: codes of one length are consecutive, in the order
	// of their symbols.
	first   [longestCode + 1]uint32 // code of each length
	count   [longestCode + 1]uint32
	offset  [longestCode + 1]uint32 // into symbols
	symbols [256]uint8
}

var code = newHuffman()

func newHuffman() *huffman {
	h := &huffman{}
	for symbol := range h.codes {
		one := string([]byte{byte(symbol)})
		// Eight of them make whole bytes, whose number is the code's length.
		length := uint8(hpack.HuffmanEncodeLength(one + one + one + one + one + one + one + one))
		var bits [8]byte
		copy(bits[:], hpack.AppendHuffmanString(nil, one))
		h.codes[symbol] = uint32(binary.BigEndian.Uint64(bits[:]) >> (64 - length))
		h.lengths[symbol] = length
	}
	placed := uint32(0)
	for length := uint8(1); length <= longestCode; length++ {
		h.offset[length] = placed
		for symbol := range h.codes {
			if h.lengths[symbol] != length {
				continue
			}
			if h.count[length] == 0 {
				h.first[length] = h.codes[symbol]
			}
			h.symbols[placed] = byte(symbol)
			h.count[length]++
			placed++
			if length <= rootBits {
				from := h.codes[symbol] << (rootBits - length)
				for i := range uint32(1) << (rootBits - length) {
					h.root[from+i].symbol, h.root[from+i].length = byte(symbol), length
				}
			}
		}
	}
	return h
}

type text interface{ string | []byte }

// huffmanLen is the number of bytes that s takes.
func huffmanLen[T text](s T) int {
	bits := 0
	for i := range len(s) {
		bits += int(code.lengths[s[i]])
	}
	return (bits + 7) / 8
}

func appendHuffman[T text](dst []byte, s T) []byte {
	var bits uint64 // the lowest n are not written yet
	n := uint(0)
	for i := range len(s) {
		length := uint(code.lengths[s[i]])
		bits = bits<<length | uint64(code.codes[s[i]])
		for n += length; n >= 8; n -= 8 {
			dst = append(dst, byte(bits>>(n-8)))
		}
	}
	if n > 0 {
		dst = append(dst, byte(bits<<(8-n))|0xff>>n)
	}
	return dst
}

// decode appends the text that src encodes. It returns false for an invalid encoding: RFC
// 7541, section 5.2.
func (h *huffman) decode(dst, src []byte) ([]byte, bool) {
	var window uint64 // the highest n bits are still to be decoded, the others are 0
	n := uint(0)
	for {
		for n <= 56 && len(src) > 0 {
			window |= uint64(src[0]) << (56 - n)
			src = src[1:]
			n += 8
		}
		// All but the last symbols need no look at what is left.
		for n >= longestCode || len(src) == 0 && n > 0 {
			symbol, length := h.next(window)
			if length == 0 || length > n {
				// What is left pads the last byte with ones.
				return dst, len(src) == 0 && n < 8 && window == ^uint64(0)<<(64-n)
			}
			dst = append(dst, symbol)
			window <<= length
			n -= length
		}
		if len(src) == 0 {
			return dst, true
		}
	}
}

// next is the first symbol of window and its length, 0 if there is none.
func (h *huffman) next(window uint64) (symbol byte, length uint) {
	if e := h.root[window>>(64-rootBits)]; e.length > 0 {
		return e.symbol, uint(e.length)
	}
	for length := uint(rootBits + 1); length <= longestCode; length++ {
		if i := uint32(window>>(64-length)) - h.first[length]; i < h.count[length] {
			return h.symbols[h.offset[length]+i], length
		}
	}
	return 0, 0
}
