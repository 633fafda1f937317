package catalog

import (
	"bytes"
	"strings"
)

// span is a part of a text, by bytes.
type span struct{ start, end int }

// looksJSON tells JSON from HCL as bake does: by extension, else by trying.
func looksJSON(src source) bool {
	switch name := strings.ToLower(src.path); {
	case strings.HasSuffix(name, ".json"):
		return true
	case strings.HasSuffix(name, ".hcl"):
		return false
	}
	return bytes.HasPrefix(bytes.TrimSpace(src.data), []byte("{"))
}

// jsonStrings yields the string literals of a JSON text, quotes included. It
// judges nothing: text that is no JSON gives what looks like strings in it.
func jsonStrings(data []byte) func(func(span) bool) {
	return func(yield func(span) bool) {
		for i := 0; i < len(data); i++ {
			if data[i] != '"' {
				continue
			}
			start := i
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if i >= len(data) || !yield(span{start, i + 1}) {
				return
			}
		}
	}
}

// hasTemplate tells whether a string can be more than literal text to HCL.
func hasTemplate(b []byte) bool {
	return bytes.Contains(b, []byte("${")) || bytes.Contains(b, []byte("%{"))
}
