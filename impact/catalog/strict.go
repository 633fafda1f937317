package catalog

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// strict reads a YAML document that may hold only what it is asked for. The
// first thing wrong is its fault, and what is read after that does not count.
type strict struct {
	path  string
	first *impact.Fault
}

// spot is a place in a document, from 1; the zero value is none.
type spot struct{ line, column int }

func spotOf(n *yaml.Node) spot { return spot{n.Line, n.Column} }

// worded puts the column into a message; the line stands before it.
func (at spot) worded(cause string) string {
	if at.column == 0 {
		return cause
	}
	return fmt.Sprintf("%s (column %d)", cause, at.column)
}

// text is a string of a document, with its place.
type text struct {
	text string
	spot
}

// pair is an entry of a mapping whose order matters.
type pair struct{ key, value text }

// entry is one key of a mapping.
type entry struct {
	key   text
	value *yaml.Node
}

func (s *strict) fail(at spot, format string, args ...any) {
	if s.first == nil {
		s.first = &impact.Fault{Path: s.path, Line: at.line, Cause: at.worded(fmt.Sprintf(format, args...))}
	}
}

// entries reads a mapping; where names it in messages.
func (s *strict) entries(n *yaml.Node, where string) []entry {
	n = dealias(n)
	if n.Kind != yaml.MappingNode {
		s.fail(spotOf(n), "%s must be a mapping, not %s", where, describe(n))
		return nil
	}
	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := dealias(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			s.fail(spotOf(k), "a key of %s must be a string, not %s", where, describe(k))
			continue
		}
		if slices.ContainsFunc(out, func(e entry) bool { return e.key.text == k.Value }) {
			s.fail(spotOf(k), "%s has the key %q twice", where, k.Value)
			continue
		}
		out = append(out, entry{text{k.Value, spotOf(n.Content[i])}, n.Content[i+1]})
	}
	return out
}

// fields reads a mapping with fixed keys: each by its reader.
func (s *strict) fields(n *yaml.Node, where string, known map[string]func(*yaml.Node)) {
	for _, e := range s.entries(n, where) {
		read, ok := known[e.key.text]
		if !ok {
			s.fail(e.key.spot, "unknown key %q in %s%s", e.key.text, where, spelling.DidYouMean(e.key.text, sortedKeys(known)))
			continue
		}
		read(e.value)
	}
}

// str reads a string. A number or boolean counts as it is written, so that
// "3.10" needs no quotes.
func (s *strict) str(n *yaml.Node, where string) text {
	n = dealias(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		s.fail(spotOf(n), "%s must be a string, not %s", where, describe(n))
	}
	return text{n.Value, spotOf(n)}
}

// filled reads a string that may not be empty.
func (s *strict) filled(n *yaml.Node, where string) text {
	t := s.str(n, where)
	if t.text == "" {
		s.fail(t.spot, "%s is empty", where)
	}
	return t
}

// list reads a list of strings.
func (s *strict) list(n *yaml.Node, where string) []text {
	n = dealias(n)
	if n.Kind != yaml.SequenceNode {
		s.fail(spotOf(n), "%s must be a list, not %s", where, describe(n))
		return nil
	}
	var out []text
	for i, item := range n.Content {
		out = append(out, s.filled(item, fmt.Sprintf("%s[%d]", where, i)))
	}
	return out
}

// pairs reads a mapping of strings.
func (s *strict) pairs(n *yaml.Node, where string) []pair {
	var out []pair
	for _, e := range s.entries(n, where) {
		if e.key.text == "" {
			s.fail(e.key.spot, "%s has an empty key", where)
		}
		out = append(out, pair{e.key, s.str(e.value, where+"."+e.key.text)})
	}
	return out
}

// boolean reads true or false.
func (s *strict) boolean(n *yaml.Node, where string) bool {
	n = dealias(n)
	var b bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&b) != nil {
		s.fail(spotOf(n), "%s must be true or false, not %s", where, describe(n))
	}
	return b
}

// oneOf reads a string that is one of a few.
func (s *strict) oneOf(n *yaml.Node, where string, allowed ...string) string {
	t := s.str(n, where)
	if !slices.Contains(allowed, t.text) {
		s.fail(t.spot, "%s must be one of %q, not %q", where, allowed, t.text)
	}
	return t.text
}

// dealias gives what an alias stands for. An anchor is never an alias itself.
func dealias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "the boolean " + n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return fmt.Sprintf("the string %q", n.Value)
}
