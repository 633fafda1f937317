package catalog

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"rebuild/impact"
)

// strict reads a YAML document that may hold only what it is asked for. The
// first thing wrong is its fault, and what is read after that does not count.
type strict struct {
	path  string
	first *impact.Fault
}

// text is a string of a document, with its line.
type text struct {
	text string
	line int
}

// pair is an entry of a mapping whose order matters.
type pair struct{ key, value text }

// entry is one key of a mapping.
type entry struct {
	key   text
	value *yaml.Node
}

func (s *strict) fail(line int, format string, args ...any) {
	if s.first == nil {
		s.first = &impact.Fault{Path: s.path, Line: line, Cause: fmt.Sprintf(format, args...)}
	}
}

// entries reads a mapping; where names it in messages.
func (s *strict) entries(n *yaml.Node, where string) []entry {
	n = dealias(n)
	if n.Kind != yaml.MappingNode {
		s.fail(n.Line, "%s must be a mapping, not %s", where, describe(n))
		return nil
	}
	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := dealias(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			s.fail(k.Line, "a key of %s must be a string, not %s", where, describe(k))
			continue
		}
		if slices.ContainsFunc(out, func(e entry) bool { return e.key.text == k.Value }) {
			s.fail(k.Line, "%s has the key %q twice", where, k.Value)
			continue
		}
		out = append(out, entry{text{k.Value, n.Content[i].Line}, n.Content[i+1]})
	}
	return out
}

// fields reads a mapping with fixed keys: each by its reader.
func (s *strict) fields(n *yaml.Node, where string, known map[string]func(*yaml.Node)) {
	for _, e := range s.entries(n, where) {
		read, ok := known[e.key.text]
		if !ok {
			s.fail(e.key.line, "unknown key %q in %s%s", e.key.text, where, didYouMean(e.key.text, sortedKeys(known)))
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
		s.fail(n.Line, "%s must be a string, not %s", where, describe(n))
	}
	return text{n.Value, n.Line}
}

// filled reads a string that may not be empty.
func (s *strict) filled(n *yaml.Node, where string) text {
	t := s.str(n, where)
	if t.text == "" {
		s.fail(t.line, "%s is empty", where)
	}
	return t
}

// list reads a list of strings.
func (s *strict) list(n *yaml.Node, where string) []text {
	n = dealias(n)
	if n.Kind != yaml.SequenceNode {
		s.fail(n.Line, "%s must be a list, not %s", where, describe(n))
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
			s.fail(e.key.line, "%s has an empty key", where)
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
		s.fail(n.Line, "%s must be true or false, not %s", where, describe(n))
	}
	return b
}

// oneOf reads a string that is one of a few.
func (s *strict) oneOf(n *yaml.Node, where string, allowed ...string) string {
	t := s.str(n, where)
	if !slices.Contains(allowed, t.text) {
		s.fail(t.line, "%s must be one of %q, not %q", where, allowed, t.text)
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
