package terminal

import (
	"bytes"
	"encoding/json"
	"io"
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

// withheldJSON has the strings of JSON as withhold makes them, but for names of fields.
func withheldJSON(text []byte, withhold func(string) string) []byte {
	var out []byte // all before rest; nil: the same
	rest := text
	for at := 0; ; {
		from := bytes.IndexByte(text[at:], '"')
		if from < 0 {
			break
		}
		from += at
		at = stringEnd(text, from)
		if bytes.HasPrefix(bytes.TrimLeft(text[at:], " \t\r\n"), []byte(":")) {
			continue
		}
		was, ok := unquoted(text[from:at])
		if !ok {
			continue
		}
		if is := withhold(was); is != was {
			out = append(append(out, rest[:from-(len(text)-len(rest))]...), quoted(is)...)
			rest = text[at:]
		}
	}
	if out == nil {
		return text
	}
	return append(out, rest...)
}

// stringEnd is where a string of JSON ends that begins at from.
func stringEnd(text []byte, from int) int {
	for i := from + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// unquoted is what a string of JSON holds; false for what is none.
func unquoted(text []byte) (string, bool) {
	if len(text) > 1 && text[len(text)-1] == '"' && bytes.IndexByte(text, '\\') < 0 { // nearly all
		return string(text[1 : len(text)-1]), true
	}
	var s string
	err := json.Unmarshal(text, &s)
	return s, err == nil
}

// quoted is a string of JSON.
func quoted(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
