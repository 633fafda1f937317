package catalog

import (
	"bytes"
	"regexp"
)

// What only a template of a Dockerfile holds. Braces within RUN are the shell's or
// Go's ("docker inspect --format '{{.ID}}'"), so they count outside of it alone; a
// C preprocessor's lines are comments to a Dockerfile.
var (
	templateLine = regexp.MustCompile(`(?im)^\s*(\{\{|\{%|(FROM|ARG|ENV|COPY|ADD|LABEL|EXPOSE|USER|WORKDIR)\b[^\n]*(\{\{|\{%))`)
	placeholder  = regexp.MustCompile(`(?m)%%[A-Z][A-Z0-9_]+%%|^\s*(FROM|ARG|ENV|COPY)\b[^\n]*@[A-Z_]{2,}@`)
	preprocessor = regexp.MustCompile(`(?m)^#(\s?include\s+["<]|define\s+[A-Z_][A-Z0-9_]*\b|ifdef\s|ifndef\s|endif\b)`)
)

// templated tells whether a text is a template, however it is called.
func templated(text []byte) bool {
	return (bytes.Contains(text, []byte("{{")) || bytes.Contains(text, []byte("{%"))) && templateLine.Match(text) ||
		placeholder.Match(text) || preprocessor.Match(text)
}
