// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// The server's windows are given back by halves.
func TestWindowsGivenBack(t *testing.T) {
	c, _, _ := three(t)
	const count = 2 * streamWindow / maxFrame // frames for twice the stream's window
	c.taken = connectionWindow/2 - 2*streamWindow
	sink := &quiet{}
	in := headFrame(1, 0, ":status", "200")
	var out []byte
	var err error
	full := dataFrameOf(1, 0, strings.Repeat("x", maxFrame))
	for i := range count {
		if out, err = c.Feed(out, []byte(in+full), sink); err != nil {
			t.Fatal(err)
		}
		in = ""
		if i == streamWindow/2/maxFrame-2 && len(out) > 0 {
			t.Errorf("before half of the window %q was written", frames(t, out))
		}
	}
	list := frames(t, out)
	var want []string
	for range count / (streamWindow / 2 / maxFrame) {
		want = append(want, fmt.Sprintf("WINDOW_UPDATE 1 %d", streamWindow/2))
	}
	last := len(want) - 1
	want = append(want[:last], fmt.Sprintf("WINDOW_UPDATE 0 %d", connectionWindow/2), want[last])
	equal(t, "frames", list, want...)
	if sink.bytes != 2*streamWindow {
		t.Errorf("the sink got %d bytes", sink.bytes)
	}
}

// Padding counts, and so do frames of ended streams.
func TestWindowsCountAll(t *testing.T) {
	c, _, _ := three(t)
	c.taken = connectionWindow/2 - 8
	c.streams.slots[c.streams.byID.find(1)].taken = streamWindow/2 - 4
	out, err := c.Feed(nil, []byte(headFrame(1, 0, ":status", "200")+raw(kindData, flagPadded, 1, 2, 'x', 0, 0)+
		raw(kindData, flagEndStream, 1, 'y')+raw(kindData, 0, 1, 'l', 'a', 't')), &quiet{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "frames", frames(t, out), fmt.Sprintf("WINDOW_UPDATE 1 %d", streamWindow/2), fmt.Sprintf("WINDOW_UPDATE 0 %d", connectionWindow/2))
}

// A stream's last frame needs no update of its window.
func TestNoWindowAfterEnd(t *testing.T) {
	c, sink, _ := three(t)
	c.streams.slots[c.streams.byID.find(1)].taken = streamWindow/2 - 1
	out, err := c.Feed(nil, []byte(headFrame(1, 0, ":status", "200")+dataFrameOf(1, 1, "last")), sink)
	if err != nil || len(out) > 0 {
		t.Errorf("error %v, and %q was written", err, frames(t, out))
	}
}

// Bodies share what the connection's window allows, one frame of each in turn.
func TestBodiesTakeTurns(t *testing.T) {
	c, sink := New(Config{}), newRecord(t)
	if _, err := c.Feed(nil, []byte(settingsFrame(settingWindow, 1<<20)+raw(kindWindow, 0, 0, word(1)...)), sink); err != nil {
		t.Fatal(err)
	}
	out := c.Open(nil, 1, request("POST", "/", 65536))
	for tag := int32(2); tag <= 4; tag++ {
		out = c.Open(out, tag, request("POST", "/", 40000))
	}
	if list := frames(t, out); len(list) != 8 || list[4] != "DATA 1 16384 END" {
		t.Errorf("without bounds the first body is written, and nothing of the others: %q", list)
	}
	step := func(in string, want ...string) {
		t.Helper()
		out, err := c.Feed(nil, []byte(in), sink)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "frames", frames(t, out), want...)
	}
	step(raw(kindWindow, 0, 0, word(50000)...), "DATA 3 16384", "DATA 5 16384", "DATA 7 16384", "DATA 3 848")
	step(raw(kindWindow, 0, 5, word(1)...))
	c.Cancel(nil, 2)
	step(raw(kindReset, 0, 7, word(8)...)+raw(kindWindow, 0, 0, word(1<<20)...), "DATA 5 16384", "DATA 5 7232 END")
	if c.streams.waiting != 0 {
		t.Errorf("%d streams are waiting", c.streams.waiting)
	}
}

// The streams' slots, index and line against a model.
func TestStreams(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s streams
	tags := map[uint32]int32{} // of ids
	line := map[uint32]bool{}
	next := uint32(1)
	for range 20000 {
		grow := random.IntN(200) >= len(tags)
		switch {
		case grow:
			tag := int32(random.Uint32())
			slot, ok := s.add(next, tag)
			if !ok {
				continue
			}
			if _, again := s.add(next+2, tag); again {
				t.Fatalf("the tag %d was taken twice", tag)
			}
			tags[next] = tag
			if random.IntN(2) == 0 {
				s.enqueue(slot)
				line[next] = true
			}
			next += 2 * uint32(1+random.IntN(3))
		default:
			for id, tag := range tags {
				slot := s.byTag.find(uint32(tag))
				if slot == none || slot != s.byID.find(id) || s.slots[slot].id != id {
					t.Fatalf("stream %d has the slot %d by its tag and %d by its id", id, slot, s.byID.find(id))
				}
				s.remove(slot)
				delete(tags, id)
				delete(line, id)
				break
			}
		}
		if s.open != len(tags) || s.waiting != len(line) || s.byID.used != len(tags) || s.byTag.used != len(tags) {
			t.Fatalf("%d streams are open and %d wait, want %d and %d", s.open, s.waiting, len(tags), len(line))
		}
		slot := s.front
		for range s.waiting {
			if !line[s.slots[slot].id] || s.slots[s.slots[slot].next].prev != slot {
				t.Fatalf("the line holds stream %d", s.slots[slot].id)
			}
			slot = s.slots[slot].next
		}
	}
	if len(s.slots) > 256 {
		t.Errorf("%d slots were made for 200 streams at once", len(s.slots))
	}
}

// A connection that fails keeps no body to itself: Close ends all requests.
func TestCloseEndsWaiting(t *testing.T) {
	c, sink, _ := three(t)
	c.Close(io.EOF, sink)
	equal(t, "ends", sink.ends, "10: 0 EOF", "11: 0 EOF", "12: 0 EOF")
	if c.streams.waiting != 0 || c.FreeStreams() != 0 {
		t.Errorf("%d streams are waiting, and there is room for %d", c.streams.waiting, c.FreeStreams())
	}
}
