// SPDX-License-Identifier: Apache-2.0

package http2

// entryOverhead is added to an entry's bytes: RFC 7541, section 4.1.
const entryOverhead = 32

// table is the dynamic table of a decoder: RFC 7541, section 2.3.2. Its entries
// lie one after another in an arena, the oldest first, and are moved to the
// arena's start when it is full.
type table struct {
	limit int // of max
	max   int // of size
	size  int // as RFC 7541, section 4.1 counts it

	arena   []byte // at most twice limit
	entries []entry
	oldest  int // index of the oldest entry; entries is a ring
	count   int
}

type entry struct{ at, name, value int32 } // at is an offset in the arena, the others lengths

func newTable(limit int) table { return table{limit: limit, max: limit} }

// resize sets max, which must not be beyond limit.
func (t *table) resize(max int) {
	t.max = max
	t.evict(max)
}

// evict drops the oldest entries until no more than size is left.
func (t *table) evict(size int) {
	for t.size > size && t.count > 0 {
		e := &t.entries[t.oldest]
		t.size -= int(e.name) + int(e.value) + entryOverhead
		t.oldest = (t.oldest + 1) & (len(t.entries) - 1)
		t.count--
	}
	if t.count == 0 {
		t.arena = t.arena[:0]
	}
}

// at is the entry at an index; index 1 is the newest entry. The slices are valid until the
// next add.
func (t *table) at(index int) (name, value []byte, ok bool) {
	if index < 1 || index > t.count {
		return nil, nil, false
	}
	e := &t.entries[(t.oldest+t.count-index)&(len(t.entries)-1)]
	middle := e.at + e.name
	return t.arena[e.at:middle], t.arena[middle : middle+e.value], true
}

// add makes a field the newest entry. The field must not lie in the arena. A field larger
// than the table leaves the table empty: RFC 7541, section 4.4.
func (t *table) add(name, value []byte) {
	size := len(name) + len(value) + entryOverhead
	t.evict(t.max - size)
	if size > t.max {
		return
	}
	if t.entries == nil {
		ring := 1
		for ring < t.limit/entryOverhead {
			ring *= 2
		}
		t.entries, t.arena = make([]entry, ring), make([]byte, 0, 2*t.limit)
	}
	if len(t.arena)+len(name)+len(value) > 2*t.limit {
		t.compact()
	}
	t.entries[(t.oldest+t.count)&(len(t.entries)-1)] = entry{int32(len(t.arena)), int32(len(name)), int32(len(value))}
	t.count++
	t.size += size
	t.arena = append(append(t.arena, name...), value...)
}

// compact moves the entries to the arena's start.
func (t *table) compact() {
	if t.count == 0 {
		return
	}
	from := t.entries[t.oldest].at
	t.arena = t.arena[:copy(t.arena, t.arena[from:])]
	for i := range t.count {
		t.entries[(t.oldest+i)&(len(t.entries)-1)].at -= from
	}
}

// staticFields is the table of RFC 7541, appendix A; its first index is 1.
var staticFields = [...]Field{
	{":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"},
	{":scheme", "http"}, {":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"},
	{":status", "304"}, {":status", "400"}, {":status", "404"}, {":status", "500"}, {"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""}, {"accept", ""},
	{"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""}, {"cache-control", ""},
	{"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
	{"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
	{"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""},
	{"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
	{"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""},
	{"www-authenticate", ""},
}

// staticBytes are the same fields for the decoder, and staticNames the first
// index of every name for the encoder.
var staticBytes, staticNames = func() (fields [len(staticFields)]struct{ name, value []byte }, names map[string]int) {
	names = make(map[string]int)
	for i, f := range staticFields {
		fields[i].name, fields[i].value = []byte(f.Name), []byte(f.Value)
		if names[f.Name] == 0 {
			names[f.Name] = i + 1
		}
	}
	return fields, names
}()
