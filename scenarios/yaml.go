// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Error is a fault in a scenario file. It says where the fault is, what is wrong, and
// what to do.
type Error struct {
	File string
	Line int
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// node is a YAML node that knows its file, so that every complaint can name a
// line. Its readers collect errors instead of returning them: a reader of the
// file sees everything that is wrong with it at once.
type node struct {
	doc  *document
	ast  ast.Node
	path string // "load.mix[2].weight", for messages
	line int
}

// document is one file being read.
type document struct {
	file    string
	anchors map[string]ast.Node
	kinds   []Kind // all that a process may be
	dir     string // the file's folder, absolute; "" of a file of the catalog
	errs    []error
}

// parseDocument parses data to its root mapping.
func parseDocument(file string, data []byte) (*document, node, error) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, node{}, syntaxError(file, err)
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, node{}, &Error{file, 1, fmt.Sprintf("holds %d YAML documents; a scenario file holds exactly one", countBodies(parsed))}
	}
	doc := &document{file: file, anchors: map[string]ast.Node{}}
	ast.Walk(anchorCollector{doc}, parsed.Docs[0].Body)
	return doc, node{doc, parsed.Docs[0].Body, "", 1}, nil
}

func countBodies(parsed *ast.File) int {
	count := 0
	for _, d := range parsed.Docs {
		if d.Body != nil {
			count++
		}
	}
	return count
}

func syntaxError(file string, err error) error {
	line := 1
	text := err.Error()
	// The library's message begins "[line:column] what".
	if _, scanErr := fmt.Sscanf(text, "[%d:", &line); scanErr == nil {
		if _, rest, found := strings.Cut(text, "] "); found {
			text = rest
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	return &Error{file, line, "not YAML: " + first}
}

// anchorCollector finds the anchors, so that aliases can be followed.
type anchorCollector struct{ doc *document }

func (c anchorCollector) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		c.doc.anchors[anchor.Name.GetToken().Value] = anchor.Value
	}
	return c
}

// resolved follows anchors and aliases to the value they stand for.
func (n node) resolved() ast.Node {
	current := n.ast
	for range 8 { // an alias of an alias of ... is no scenario
		switch v := current.(type) {
		case *ast.AnchorNode:
			current = v.Value
		case *ast.AliasNode:
			target, ok := n.doc.anchors[v.Value.GetToken().Value]
			if !ok {
				return current
			}
			current = target
		default:
			return current
		}
	}
	return current
}

// fail records what is wrong with n.
func (n node) fail(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if n.path != "" {
		msg = n.path + ": " + msg
	}
	n.doc.errs = append(n.doc.errs, &Error{n.doc.file, n.line, msg})
}

// field is one key of a mapping.
type field struct {
	key   string
	value node
}

// fields returns the mapping's fields in file order.
func (n node) fields() []field {
	resolved := n.resolved()
	if _, empty := resolved.(*ast.NullNode); empty {
		return nil // `valkey:` with nothing to say
	}
	mapping, ok := resolved.(*ast.MappingNode)
	if !ok {
		n.fail("must be a mapping of keys to values")
		return nil
	}
	var out []field
	for _, pair := range mapping.Values {
		key := pair.Key.String()
		if text, ok := pair.Key.(*ast.StringNode); ok {
			key = text.Value // without quotes
		}
		child := node{n.doc, pair.Value, key, pair.Key.GetToken().Position.Line}
		if n.path != "" {
			child.path = n.path + "." + key
		}
		if slices.ContainsFunc(out, func(f field) bool { return f.key == key }) {
			child.fail("stands twice")
			continue
		}
		out = append(out, field{key, child})
	}
	return out
}

// isList says whether n is a sequence.
func (n node) isList() bool {
	_, ok := n.resolved().(*ast.SequenceNode)
	return ok
}

// isMapping says whether n is a mapping, and not a single value.
func (n node) isMapping() bool {
	_, ok := n.resolved().(*ast.MappingNode)
	return ok
}

// mapping reads n as a mapping that may hold only the known keys.
func (n node) mapping(known ...string) map[string]node { return n.named(n.fields(), known) }

// named are n's fields by their keys. Only known ones may be among them.
func (n node) named(fields []field, known []string) map[string]node {
	out := map[string]node{}
	for _, f := range fields {
		if !slices.Contains(known, f.key) {
			node{n.doc, f.value.ast, n.path, f.value.line}.fail("unknown key %q%s", f.key, nearest(f.key, known))
			continue
		}
		out[f.key] = f.value
	}
	return out
}

// items reads n as a sequence.
func (n node) items() []node {
	sequence, ok := n.resolved().(*ast.SequenceNode)
	if !ok {
		n.fail("must be a list")
		return nil
	}
	out := make([]node, 0, len(sequence.Values))
	for i, value := range sequence.Values {
		out = append(out, node{n.doc, value, fmt.Sprintf("%s[%d]", n.path, i), value.GetToken().Position.Line})
	}
	return out
}

// text reads n as a scalar's text.
func (n node) text() string {
	switch v := n.resolved().(type) {
	case *ast.StringNode:
		return strings.TrimSpace(v.Value)
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NanNode, *ast.InfinityNode:
		return v.GetToken().Value
	default:
		n.fail("must be a single value")
		return ""
	}
}

// need returns the field key of m, or complains at n that it is missing.
func (n node) need(m map[string]node, key string) (node, bool) {
	value, ok := m[key]
	if !ok {
		n.fail("%q is missing", key)
	}
	return value, ok
}

// nearest suggests the known word that is closest to word, or lists them all.
func nearest[S ~string](word S, known []S) string {
	best, bestDistance := S(""), 4
	for _, k := range known {
		if d := editDistance(string(word), string(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 {
		return "; none is known here"
	}
	names := make([]string, 0, len(known))
	for _, k := range slices.Sorted(slices.Values(known)) {
		names = append(names, string(k))
	}
	return "; known are " + strings.Join(names, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitution := diagonal
			if a[i-1] != b[j-1] {
				substitution++
			}
			diagonal = row[j]
			row[j] = min(substitution, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
