// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"regexp"
	"strconv"

	"headroom/harness/drive/draw"
)

// SeqPlaceholder stands for the request's number in the schedule.
const SeqPlaceholder = "seq"

// placeholder is a lower-case word in braces. Other braces, such as those of a
// JSON body, are text.
var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// template is a parsed text with placeholders. Rendering a template appends its pieces.
type template []piece

// piece is literal text, then, unless last is true, a number.
type piece struct {
	text string
	keys *draw.Keys // nil: the request's number
	last bool
}

// placeholders returns the names that stand in text, in order, with repeats.
func placeholders(text string) []string {
	var names []string
	for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// parseTemplate makes a template of text. Every placeholder in it must be in keys or be
// {seq}.
func parseTemplate(text string, keys map[string]*draw.Keys) template {
	var t template
	from := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		t = append(t, piece{text: text[from:at[0]], keys: keys[text[at[2]:at[3]]]})
		from = at[1]
	}
	return append(t, piece{text: text[from:], last: true})
}

// appendTo appends the text of request k to dst.
func (t template) appendTo(dst []byte, k uint64) []byte {
	for i := range t {
		p := &t[i]
		dst = append(dst, p.text...)
		switch {
		case p.last:
		case p.keys == nil:
			dst = strconv.AppendUint(dst, k, 10)
		default:
			dst = strconv.AppendUint(dst, p.keys.Key(k), 10)
		}
	}
	return dst
}

// constant says whether the text is the same for every request.
func (t template) constant() bool { return len(t) == 1 }
