// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// What a request encodes to, as another implementation reads it, with tables
// whose size the server changes.
func TestEncode(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	e := newEncoder()
	d := hpack.NewDecoder(maxTable, nil)
	for turn := range 3000 {
		if random.IntN(40) == 0 {
			// Of two changes at once both must be told: RFC 7541, section 4.2.
			// x/net takes both only if the first one empties the table.
			if random.IntN(2) == 0 {
				e.resize(0)
			}
			e.resize([]uint32{0, 100, 300, maxTable, 1 << 20}[random.IntN(5)])
		}
		endpoint := random.IntN(24)
		r := &Request{Method: "GET", Scheme: "https", Authority: "shop.example", Path: []byte(fmt.Sprintf("/p/%d?q=%d", endpoint, turn))}
		r.Fields = []Field{{"accept", "*/*"}, {"user-agent", "headroom"}, {fmt.Sprintf("x-%d", endpoint), strings.Repeat("v", 10*endpoint)}}
		switch endpoint {
		case 0:
			r.Path = []byte("/")
		case 1:
			r.Path, r.Authority = []byte("/index.html"), ""
		case 2:
			r.Extra = []Changing{{"content-length", []byte(fmt.Sprint(turn))}, {"x-session", []byte(fmt.Sprintf("%x", turn*7919))}}
		}
		want := []string{":method=GET", ":scheme=https", ":authority=" + r.Authority, ":path=" + string(r.Path)}
		if r.Authority == "" {
			want = append(want[:2], want[3:]...)
		}
		for _, f := range r.Fields {
			want = append(want, f.Name+"="+f.Value)
		}
		for _, f := range r.Extra {
			want = append(want, f.Name+"="+string(f.Value))
		}
		block := e.encode([]byte("kept"), r)
		fields, err := d.DecodeFull(block[len("kept"):])
		if err != nil {
			t.Fatalf("turn %d, %x: %v", turn, block, err)
		}
		var got []string
		for _, f := range fields {
			got = append(got, f.Name+"="+f.Value)
		}
		equal(t, fmt.Sprintf("turn %d", turn), got, want...)
	}
}

// What changes with every request pushes nothing out of the table: constant
// fields take a byte each from the second request on.
func TestEncodeKeepsConstantFields(t *testing.T) {
	e := newEncoder()
	size := 0
	for i := range 2000 {
		r := &Request{Method: "PUT", Scheme: "https", Authority: "shop.example", Path: []byte(fmt.Sprintf("/%04d", i)),
			Fields: plainFields, Extra: []Changing{{"x-session", []byte(fmt.Sprintf("%06d", i))}}}
		block := e.encode(nil, r)
		const constant = 3 + 4 // :method, :scheme, :authority and plainFields, a byte each
		path, extra := appendText([]byte{4}, r.Path), appendChanging(nil, &r.Extra[0])
		if size = len(block); i > 0 && size != constant+len(path)+len(extra) {
			t.Fatalf("request %d takes %d bytes, want %d", i, size, constant+len(path)+len(extra))
		}
	}
}

// From its third request on an endpoint's constant fields are not encoded again.
func TestEncodeKnowsHead(t *testing.T) {
	e := newEncoder()
	r := request("GET", "/", 0)
	first, second := e.encode(nil, r), e.encode(nil, r)
	e.out = nil
	if third := e.encode(nil, r); e.out != nil || string(third) != string(second) || string(first) == string(second) {
		t.Errorf("the requests are %x, %x and %x", first, second, third)
	}
}

// A header beyond one frame goes on in CONTINUATION frames.
func TestLargeHeader(t *testing.T) {
	for _, test := range []struct{ size, frames int }{{maxFrame - 100, 1}, {maxFrame + 100, 2}, {3 * maxFrame, 4}} {
		value := strings.Repeat("<", test.size) // no shorter as a Huffman code
		r := request("POST", "/", 5)
		r.Fields = []Field{{"x-large", value}}
		out := New(Config{}).Open(nil, 20, r)
		equal(t, "frames", frames(t, out),
			"HEADERS 1 :method=POST :scheme=https :authority=shop.example :path=/ x-large="+value, "DATA 1 5 END")
		count := 0
		for rest := out; len(rest) > 0; count++ {
			f := parseHeader(rest)
			rest = rest[frameHeaderBytes+f.length:]
		}
		if count != test.frames+1 {
			t.Errorf("a header of %d bytes takes %d frames, want %d", test.size, count-1, test.frames)
		}
	}
}
