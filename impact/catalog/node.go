package catalog

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// field gives the value of a mapping's key, nil when there is none.
func field(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	n = dealias(n)
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// items gives those of a sequence.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n = dealias(n); n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// lineOf finds the line of a dotted path, as far as it leads; 0 when nowhere. A
// key may hold dots itself.
func lineOf(n *yaml.Node, dotted string) int {
	if n == nil {
		return 0
	}
	n = dealias(n)
	line := 0
	if n.Kind != yaml.MappingNode {
		return line
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		rest, ok := strings.CutPrefix(dotted, key)
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		line = n.Content[i].Line
		if rest = strings.TrimPrefix(rest, "."); rest != "" {
			line = max(line, lineOf(n.Content[i+1], rest))
		}
		return line
	}
	return line
}
