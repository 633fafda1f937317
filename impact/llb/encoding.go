package llb

import (
	"bytes"
	"unicode/utf8"
)

// notUTF8 is the first line of a Dockerfile, beside its comments, that is not UTF-8; 0: there
// is none. BuildKit's lexer reads each byte of a word that is none as U+FFFD
// (frontend/dockerfile/shell/lex.go, text/scanner); a command passes it by, and cannot be
// sent.
func notUTF8(text []byte) (line int) {
	if utf8.Valid(text) {
		return 0
	}
	for l := range bytes.Lines(text) {
		line++
		if !utf8.Valid(l) && !bytes.HasPrefix(bytes.TrimSpace(l), []byte("#")) {
			return line
		}
	}
	return 0
}
