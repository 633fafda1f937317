package terminal

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
)

// WithholdJSON writes lines of JSON, each given with one call, whose texts are as withhold
// makes them.
func WithholdJSON(out io.Writer, withhold func(string) string) io.Writer {
	return &lineWriter{func(line string) string { return string(withheldJSON([]byte(line), withhold)) }, out}
}

// WithheldJSON is a value whose texts are as withhold makes them.
func WithheldJSON(v any, withhold func(string) string) (json.RawMessage, error) {
	text, err := json.Marshal(Exact(v))
	if err != nil {
		return nil, err
	}
	return withheldJSON(text, withhold), nil
}

// jsonString is a string of JSON, and what makes it the name of a field.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"(\s*:)?`)

// withheldJSON has the strings of JSON as withhold makes them, but for names of fields.
func withheldJSON(text []byte, withhold func(string) string) []byte {
	return jsonString.ReplaceAllFunc(text, func(found []byte) []byte {
		var s string
		if found[len(found)-1] == ':' || json.Unmarshal(found, &s) != nil {
			return found
		}
		without := withhold(s)
		if without == s {
			return found
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(without) // a string always encodes
		return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	})
}
