// SPDX-License-Identifier: Apache-2.0

package program

import (
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

func sample() spec.Process {
	return spec.Process{
		Name: "gate", Kind: scenarios.KindGateway, Address: "127.0.0.1", Port: 8081,
		Settings: map[string]string{"word": "some", "count": "3", "time": "5s", "size": "2MB"},
		Links:    map[scenarios.Role][]string{"one": {"a:1"}, "two": {"a:1", "b:2"}, "bad": {"a"}},
	}
}

func TestReader(t *testing.T) {
	r := NewReader(sample(), scenarios.KindGateway)
	if r.Listen() != "127.0.0.1:8081" || r.Link("one") != "a:1" || len(r.Links("two")) != 2 ||
		r.OneOf("word", "none", "some") != "some" || r.Count("count", 3) != 3 ||
		r.Duration("time", 0, 5*time.Second) != 5*time.Second || r.Bytes("size") != 2<<20 {
		t.Errorf("a value differs from the process's")
	}
	if r.Err() != nil {
		t.Error(r.Err())
	}
}

func TestReaderRefuses(t *testing.T) {
	tests := []struct {
		holds string
		read  func(*Reader)
	}{
		{"link two leads to 2 places", func(r *Reader) { r.Link("two") }},
		{"link none leads nowhere", func(r *Reader) { r.Links("none") }},
		{`"a" is not host:port`, func(r *Reader) { r.Links("bad") }},
		{"not one of none", func(r *Reader) { r.OneOf("word", "none") }},
		{"from 1 to 2", func(r *Reader) { r.Count("count", 2) }},
		{"from 0s to 1s", func(r *Reader) { r.Duration("time", 0, time.Second) }},
		{"from 6s to 1m0s", func(r *Reader) { r.Duration("time", 6*time.Second, time.Minute) }},
		{`"5s" is not a size`, func(r *Reader) { r.Bytes("time") }},
		{"setting absent is missing", func(r *Reader) { r.Bytes("absent") }},
	}
	for _, test := range tests {
		r := NewReader(sample(), scenarios.KindGateway)
		test.read(r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), test.holds) || !strings.Contains(err.Error(), "process gate") {
			t.Errorf("error %v, want one that names the process and holds %q", err, test.holds)
		}
	}
	if err := NewReader(sample(), scenarios.KindLink).Err(); err == nil || !strings.Contains(err.Error(), "kind link") {
		t.Errorf("another kind: %v", err)
	}
	p := sample()
	p.Port = 65535
	r := NewReader(p, scenarios.KindGateway)
	r.Listen()
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "port 65535") {
		t.Errorf("no port after it: %v", err)
	}
}

func FuzzBytes(f *testing.F) {
	f.Add("1GB")
	f.Add("9223372036854775807GB")
	f.Fuzz(func(t *testing.T, text string) {
		p := sample()
		p.Settings["size"] = text
		r := NewReader(p, scenarios.KindGateway)
		if size := r.Bytes("size"); (size < 1024) != (r.Err() != nil) {
			t.Errorf("%q is %d bytes, error %v", text, size, r.Err())
		}
	})
}
