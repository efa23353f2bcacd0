// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// decodeAll reads one block as text, "name=value" for every field.
func decodeAll(d *decoder, block []byte) (list []string, err error) {
	block, err = d.begin(block)
	for err == nil && len(block) > 0 {
		var name, value []byte
		if name, value, block, err = d.next(block); err == nil {
			list = append(list, string(name)+"="+string(value))
		}
	}
	return list, err
}

// The static table is RFC 7541's, as another implementation has it.
func TestStaticTable(t *testing.T) {
	ours := decoder{table: newTable(maxTable)}
	theirs := hpack.NewDecoder(maxTable, nil)
	for index := 1; index <= len(staticFields); index++ {
		block := appendInteger(nil, 0x80, 7, index)
		got, err := decodeAll(&ours, block)
		want, wantErr := theirs.DecodeFull(block)
		if err != nil || wantErr != nil || got[0] != want[0].Name+"="+want[0].Value {
			t.Errorf("index %d is %q (%v), want %v (%v)", index, got, err, want, wantErr)
		}
	}
	if _, err := decodeAll(&ours, appendInteger(nil, 0x80, 7, len(staticFields)+1)); !errors.Is(err, errIndex) {
		t.Errorf("the index after the static table's last: %v", err)
	}
}

func TestHuffman(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for size := range 300 {
		s := make([]byte, size)
		for i := range s {
			s[i] = byte(random.Uint32())
			if size%2 == 0 {
				s[i] = ' ' + s[i]%95
			}
		}
		got, want := appendHuffman(nil, s), hpack.AppendHuffmanString(nil, string(s))
		if !bytes.Equal(got, want) || huffmanLen(s) != len(want) {
			t.Fatalf("%q becomes %x of %d bytes, want %x", s, got, huffmanLen(s), want)
		}
		if back, ok := code.decode([]byte("kept"), got); !ok || string(back) != "kept"+string(s) {
			t.Fatalf("%q comes back as %q", s, back)
		}
	}
}

// Section 5.2: padding is shorter than a byte, and ones.
func TestHuffmanRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		code []byte
	}{
		{"zeros as padding", []byte{0x18}},                   // a, then 000
		{"a byte of padding", []byte{0x1f, 0xff}},            // a, then 11 ones
		{"padding alone", []byte{0xff}},                      //
		{"the end's symbol", []byte{0xff, 0xff, 0xff, 0xff}}, //
		{"the end's symbol inside", []byte{0x1f, 0xff, 0xff, 0xff, 0xff, 0x1f}},
		{"a long code cut short", []byte{0xff, 0xc0}}, // of 13 bits in 10
	} {
		if s, ok := code.decode(nil, test.code); ok {
			t.Errorf("%s: %x is %q", test.name, test.code, s)
		}
		if s, err := hpack.HuffmanDecodeToString(test.code); err == nil {
			t.Errorf("%s: x/net takes %x as %q", test.name, test.code, s)
		}
	}
}

func TestDecoderErrors(t *testing.T) {
	for _, test := range []struct {
		section, name, block string
		want                 error
	}{
		{"5.1", "an integer of six bytes", "\xff\x80\x80\x80\x80\x00", errInteger},
		{"5.1", "an integer cut short", "\xff\x80", errBlockCut},
		{"5.2", "a string cut short", "\x00\x05abc", errBlockCut},
		{"5.2", "no string", "\x00", errBlockCut},
		{"5.2", "no value", "\x00\x01a", errBlockCut},
		{"5.2", "no Huffman code", "\x00\x81\x18\x01b", errHuffman},
		{"6.1", "index 0", "\x80", errIndex},
		{"6.1", "an empty table's index", "\xbe", errIndex},
		{"6.2", "an empty table's name", "\x7f\x00\x01b", errIndex},
		{"6.3", "a table too large", "\x3f\xe2\x1f", errTableSize},
		{"4.2", "a change of size inside", "\x88\x20", errUpdateInside},
	} {
		d := decoder{table: newTable(maxTable)}
		if _, err := decodeAll(&d, []byte(test.block)); !errors.Is(err, test.want) {
			t.Errorf("section %s, %s: %v, want %v", test.section, test.name, err, test.want)
		}
	}
}

// Appendix C.5: answers without Huffman codes, in a table of 256 bytes that
// drops its oldest fields.
func TestAppendixC5(t *testing.T) {
	d := decoder{table: newTable(256)}
	const date1, date2 = "Mon, 21 Oct 2013 20:13:21 GMT", "Mon, 21 Oct 2013 20:13:22 GMT"
	const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
	for i, test := range []struct {
		block string
		want  []string
		size  int
	}{
		{"\x48\x03302\x58\x07private\x61\x1d" + date1 + "\x6e\x17https://www.example.com",
			[]string{":status=302", "cache-control=private", "date=" + date1, "location=https://www.example.com"}, 222},
		{"\x48\x03307\xc1\xc0\xbf", []string{":status=307", "cache-control=private", "date=" + date1, "location=https://www.example.com"}, 222},
		{"\x88\xc1\x61\x1d" + date2 + "\xc0\x5a\x04gzip\x77\x38" + cookie,
			[]string{":status=200", "cache-control=private", "date=" + date2, "location=https://www.example.com", "content-encoding=gzip", "set-cookie=" + cookie}, 215},
	} {
		got, err := decodeAll(&d, []byte(test.block))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("answer %d", i+1), got, test.want...)
		if d.table.size != test.size {
			t.Errorf("after answer %d the table has %d bytes, want %d", i+1, d.table.size, test.size)
		}
	}
}

// Section 4.4: a field may take its name from the entry that it pushes out.
func TestNameOfDroppedEntry(t *testing.T) {
	d := decoder{table: newTable(64)}
	got, err := decodeAll(&d, []byte("\x40\x04name\x03one"+"\x7e\x05other"+"\xbe"+"\x7e\x40"+strings.Repeat("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "fields", got, "name=one", "name=other", "name=other", "name="+strings.Repeat("x", 64))
	if d.table.count != 0 || d.table.size != 0 {
		t.Errorf("a field beyond the table leaves %d of %d bytes in it", d.table.count, d.table.size)
	}
}

// The table's bytes move when they reach its arena's end: names and values of
// entries must come with them, also while one gives its name to a new field.
func TestTableMoves(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	var w encodedBlock
	e := hpack.NewEncoder(&w)
	d := decoder{table: newTable(maxTable)}
	sizes := []uint32{maxTable, 300, 100, 0}
	moved := 0
	for turn := range 4000 {
		w = nil
		if turn%500 == 0 {
			e.SetMaxDynamicTableSize(sizes[turn/500%len(sizes)])
		}
		var want []string
		for range 3 {
			f := hpack.HeaderField{Name: fmt.Sprintf("x-%d", random.IntN(8)), Value: strings.Repeat("v", random.IntN(40)) + fmt.Sprint(random.IntN(4))}
			want = append(want, f.Name+"="+f.Value)
			_ = e.WriteField(f)
		}
		before := len(d.table.arena)
		got, err := decodeAll(&d, w)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("turn %d", turn), got, want...)
		if len(d.table.arena) < before && d.table.count > 3 {
			moved++
		}
	}
	if moved < 10 {
		t.Errorf("the entries moved %d times", moved)
	}
}

// FuzzDecoder compares with x/net's decoder over several blocks. It may differ
// in this: x/net takes longer integers, takes a change of the table's size
// inside a block if the table is empty, and refuses a second change if it is
// not.
func FuzzDecoder(f *testing.F) {
	for _, size := range []uint16{0, 40, 256, maxTable} {
		var all []byte
		for _, block := range encodedBlocks(uint32(size)) {
			all = append(append(all, byte(len(block)>>8), byte(len(block))), block...)
		}
		f.Add(size, all)
	}
	f.Add(uint16(100), []byte("\x00\x07\x3f\x45\x48\x03302\xbe"))
	f.Fuzz(func(t *testing.T, size uint16, data []byte) {
		size = min(size, maxTable)
		ours := decoder{table: newTable(int(size))}
		theirs := hpack.NewDecoder(uint32(size), nil)
		for len(data) >= 2 {
			n := min(int(data[0])<<8|int(data[1]), len(data)-2)
			block := data[2 : 2+n]
			data = data[2+n:]
			got, err := decodeAll(&ours, block)
			fields, theirErr := theirs.DecodeFull(block)
			switch {
			case err == nil && theirErr != nil:
				if !strings.Contains(theirErr.Error(), "MUST occur at the beginning") {
					t.Fatalf("%x: %q, but x/net says %v", block, got, theirErr)
				}
				return
			case err != nil && theirErr == nil:
				if !errors.Is(err, errInteger) && !errors.Is(err, errUpdateInside) {
					t.Fatalf("%x: %v, but x/net says %v", block, err, fields)
				}
				return
			case err != nil:
				return
			}
			var want []string
			for _, field := range fields {
				want = append(want, field.Name+"="+field.Value)
			}
			equal(t, fmt.Sprintf("%x", block), got, want...)
			if len(ours.table.arena) > 2*int(size) || ours.table.size > ours.table.max {
				t.Fatalf("the table holds %d bytes and counts %d, beyond its %d", len(ours.table.arena), ours.table.size, size)
			}
		}
	})
}

// encodedBlocks are answers as x/net encodes them, with a table of a size that
// changes once.
func encodedBlocks(size uint32) (blocks [][]byte) {
	var w encodedBlock
	e := hpack.NewEncoder(&w)
	e.SetMaxDynamicTableSize(size)
	for i := range 40 {
		w = nil
		if i == 20 {
			e.SetMaxDynamicTableSize(size / 2)
			e.SetMaxDynamicTableSize(size)
		}
		for _, f := range []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "server", Value: "nginx"},
			{Name: "etag", Value: fmt.Sprintf(`W/"%x-é"`, i*i*7919)}, {Name: fmt.Sprintf("x-%d", i%7), Value: strings.Repeat("v", i)},
			{Name: "authorization", Value: "secret", Sensitive: true}} {
			_ = e.WriteField(f)
		}
		blocks = append(blocks, w)
	}
	return blocks
}
