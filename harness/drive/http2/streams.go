// SPDX-License-Identifier: Apache-2.0

package http2

// none is the index of no stream.
const none = -1

// stream is a request whose answer is not complete.
type stream struct {
	id     uint32 // 0: the slot is free
	tag    int32
	status int // 0 until the final header has come

	answered   bool  // any of the answer has come
	bodyless   bool  // the answer has no body, whatever its content length says
	length     int64 // of the answer's body by its header, -1 if unsaid
	received   int64 // bytes of the answer's body
	taken      int   // bytes by which the server's window is smaller
	maySend    int64 // below 0 after the server has made the window smaller
	unsent     []byte
	prev, next int32 // in the queue of streams with unsent bytes
	waiting    bool
}

// streams holds the open streams in slots that are used again and again, and
// finds them by their id and by their tag.
type streams struct {
	slots []stream
	free  []int32
	byID  index
	byTag index
	open  int

	// The queue of streams with unsent bytes, a circular list.
	front   int32
	waiting int
}

// add opens a stream, unless the tag is in use.
func (s *streams) add(id uint32, tag int32) (slot int32, ok bool) {
	if s.byTag.find(uint32(tag)) != none {
		return none, false
	}
	if n := len(s.free); n > 0 {
		slot, s.free = s.free[n-1], s.free[:n-1]
	} else {
		slot = int32(len(s.slots))
		s.slots = append(s.slots, stream{})
	}
	s.slots[slot] = stream{id: id, tag: tag, length: -1}
	s.byID.put(id, slot)
	s.byTag.put(uint32(tag), slot)
	s.open++
	return slot, true
}

func (s *streams) remove(slot int32) {
	s.dequeue(slot)
	e := &s.slots[slot]
	s.byID.remove(e.id)
	s.byTag.remove(uint32(e.tag))
	*e = stream{}
	s.free = append(s.free, slot)
	s.open--
}

// enqueue puts a stream at the end of the queue.
func (s *streams) enqueue(slot int32) {
	e := &s.slots[slot]
	e.waiting = true
	if s.waiting++; s.waiting == 1 {
		s.front, e.prev, e.next = slot, slot, slot
		return
	}
	front := &s.slots[s.front]
	e.prev, e.next = front.prev, s.front
	s.slots[front.prev].next = slot
	front.prev = slot
}

// dequeue removes a stream from the queue, if it is there.
func (s *streams) dequeue(slot int32) {
	e := &s.slots[slot]
	if !e.waiting {
		return
	}
	e.waiting = false
	s.waiting--
	s.slots[e.prev].next, s.slots[e.next].prev = e.next, e.prev
	if s.front == slot {
		s.front = e.next
	}
}

// index finds slots by a number. It is a hash table that is at most half full, and whose
// removals leave no marks.
type index struct {
	cells []cell // a power of two of them
	shift uint   // of a hash, to a cell
	used  int
}

type cell struct {
	key    uint32
	number int32 // slot + 1; 0: the cell is free
}

func (x *index) home(key uint32) int { return int(key * 0x9e3779b9 >> x.shift) }

func (x *index) find(key uint32) (slot int32) {
	if x.used == 0 {
		return none
	}
	for i := x.home(key); ; i = (i + 1) & (len(x.cells) - 1) {
		if c := x.cells[i]; c.number == 0 || c.key == key {
			return c.number - 1
		}
	}
}

// put adds a key, which must not be in the index.
func (x *index) put(key uint32, slot int32) {
	if 2*(x.used+1) > len(x.cells) {
		x.grow()
	}
	x.used++
	i := x.home(key)
	for x.cells[i].number != 0 {
		i = (i + 1) & (len(x.cells) - 1)
	}
	x.cells[i] = cell{key, slot + 1}
}

func (x *index) grow() {
	old := x.cells
	if len(old) == 0 {
		x.cells, x.shift = make([]cell, 8), 32-3
	} else {
		x.cells, x.shift = make([]cell, 2*len(old)), x.shift-1
	}
	x.used = 0
	for _, c := range old {
		if c.number != 0 {
			x.put(c.key, c.number-1)
		}
	}
}

// remove removes a key, which must be in the index.
func (x *index) remove(key uint32) {
	mask := len(x.cells) - 1
	hole := x.home(key)
	for x.cells[hole].key != key || x.cells[hole].number == 0 {
		hole = (hole + 1) & mask
	}
	x.used--
	// Cells after the hole move into it, unless the hole is before their home.
	for i := (hole + 1) & mask; x.cells[i].number != 0; i = (i + 1) & mask {
		if (i-x.home(x.cells[i].key))&mask >= (i-hole)&mask {
			x.cells[hole] = x.cells[i]
			hole = i
		}
	}
	x.cells[hole] = cell{}
}
