// SPDX-License-Identifier: Apache-2.0

package drive

import "bytes"

// matcher looks for a text in a body that comes in fragments. It keeps less of the body
// than the text is long.
type matcher struct {
	text  []byte // empty: found from the start
	tail  []byte // the last bytes seen, fewer than text has
	found bool
}

func (m *matcher) reset(text []byte) {
	m.text, m.tail, m.found = text, m.tail[:0], len(text) == 0
}

func (m *matcher) write(fragment []byte) {
	if m.found {
		return
	}
	keep := len(m.text) - 1
	if len(m.tail) > 0 {
		// A match across the seam lies within text's length of it.
		seam := append(m.tail, fragment[:min(len(fragment), keep)]...)
		m.found = bytes.Contains(seam, m.text)
		m.tail = seam
	}
	m.found = m.found || bytes.Contains(fragment, m.text)
	if m.found {
		return
	}
	if len(fragment) >= keep {
		m.tail = append(m.tail[:0], fragment[len(fragment)-keep:]...)
		return
	}
	if len(m.tail) == 0 {
		m.tail = append(m.tail, fragment...)
	}
	if over := len(m.tail) - keep; over > 0 {
		m.tail = append(m.tail[:0], m.tail[over:]...)
	}
}
