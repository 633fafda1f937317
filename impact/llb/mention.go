package llb

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"rebuild/impact"
)

// What names an image in a Dockerfile, as far as it can be told without parsing it: the
// text may be one that BuildKit's parser refuses.
var (
	fromLine  = regexp.MustCompile(`(?im)^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)`)
	fromFlag  = regexp.MustCompile(`\bfrom=["']?([^\s,"']+)`)
	argLine   = regexp.MustCompile(`(?i)^[ \t]*ARG[ \t]`)
	argValue  = regexp.MustCompile(`[ \t](\w+)=(?:"([^"]*)"|'([^']*)'|(\S*))`)
	escapeSet = regexp.MustCompile("(?i)^#[ \\t]*escape[ \\t]*=[ \\t]*([\\\\`])[ \\t]*$")
)

// What a reference can be made of. The grammar of references allows a name of 255 letters and a tag
// of 128; a variable that is made of itself doubles without end.
const (
	maxParts     = 100 // variables
	maxReference = 4 << 10
)

// unknownPart stands for what is not known of a reference.
const unknownPart = "*"

// mentions tells which references a Dockerfile may mean; nil: none. With arguments whose
// values are not known, only those references that have one of them.
func mentions(im impact.Image, text []byte, lacking []string) func(ref string) bool {
	text = joined(text)
	words := parentsOf(im, text, lacking)
	for _, m := range fromFlag.FindAllSubmatch(text, -1) {
		words = append(words, string(m[1]))
	}
	for _, c := range im.Contexts {
		if c.Ref != "" {
			words = append(words, strings.TrimPrefix(c.Ref, "docker-image://"))
		}
	}
	var known []string
	var patterns []*regexp.Regexp
	for _, w := range words {
		switch named, err := reference.ParseNormalizedNamed(w); {
		case strings.Contains(w, unknownPart):
			patterns = append(patterns, pattern(w))
		case err == nil && lacking == nil:
			known = append(known, reference.TagNameOnly(named).String())
		}
	}
	if len(known) == 0 && len(patterns) == 0 {
		return nil
	}
	return func(ref string) bool {
		for _, k := range known {
			if k == ref {
				return true
			}
		}
		for _, p := range patterns {
			for _, spelling := range spellings(ref) {
				if p.MatchString(spelling) {
					return true
				}
			}
		}
		return false
	}
}

// parentsOf lists what the FROM lines of a text name. The arguments above the first one
// give their values.
func parentsOf(im impact.Image, text []byte, lacking []string) []string {
	values := map[string]string{}
	for name, v := range im.Args {
		values[name] = v
	}
	for _, name := range lacking {
		values[name] = unknownPart
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		if m := fromLine.FindStringSubmatch(line); m != nil {
			words = append(words, expand(m[1], values))
			continue
		}
		if len(words) > 0 || !argLine.MatchString(line) {
			continue
		}
		for _, m := range argValue.FindAllStringSubmatch(line, -1) {
			if _, given := im.Args[m[1]]; !given && !slices.Contains(lacking, m[1]) {
				values[m[1]] = expand(m[2]+m[3]+m[4], values)
			}
		}
	}
	return words
}

// joined is a text whose continued lines are in one each, without comments and empty lines
// between them, as BuildKit has it (frontend/dockerfile/parser).
func joined(text []byte) []byte {
	escape, directives := byte(parser.DefaultEscapeToken), true
	var out, line []byte
	for raw := range bytes.Lines(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
		raw = bytes.TrimRight(raw, "\r\n")
		trimmed := bytes.TrimSpace(raw)
		if m := escapeSet.FindSubmatch(trimmed); m != nil && directives {
			escape = m[1][0]
		}
		comment := bytes.HasPrefix(trimmed, []byte("#"))
		directives = directives && comment
		if comment || len(trimmed) == 0 {
			continue
		}
		rest := bytes.TrimRight(raw, " \t")
		before, continued := bytes.CutSuffix(rest, []byte{escape})
		if continued && !bytes.HasSuffix(before, []byte{escape}) {
			line = append(line, before...)
			continue
		}
		out = append(append(append(out, line...), raw...), '\n')
		line = line[:0]
	}
	return append(append(out, line...), '\n')
}

// expand replaces the variables of a word; those without a value are unknown parts.
func expand(word string, values map[string]string) string {
	word = quotes.Replace(word)
	for range 3 { // a default may have a variable
		if !strings.Contains(word, "$") {
			break
		}
		if strings.Count(word, "$") > maxParts {
			return unknownPart
		}
		word = os.Expand(word, func(name string) string {
			name, otherwise, hasDefault := strings.Cut(name, ":-")
			v, ok := values[name]
			switch {
			case ok && (v != "" || !hasDefault):
				return v
			case hasDefault:
				return otherwise
			}
			return unknownPart
		})
	}
	if len(word) > maxReference || strings.ContainsAny(word, "${}") { // not understood
		return unknownPart
	}
	return word
}

var quotes = strings.NewReplacer(`"`, "", `'`, "")

// pattern is what a word with unknown parts may stand for. BuildKit reads each byte that is
// no UTF-8 as U+FFFD (see notUTF8), which no expression may hold.
func pattern(word string) *regexp.Regexp {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(string([]rune(word))), regexp.QuoteMeta(unknownPart), ".*")
	return regexp.MustCompile("^" + quoted + "$")
}

// spellings are the ways in which people write a reference.
func spellings(ref string) []string {
	all := []string{ref}
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		familiar := reference.FamiliarString(named)
		all = append(all, familiar, strings.TrimPrefix(ref, "docker.io/"))
		for _, s := range all {
			all = append(all, strings.TrimSuffix(s, ":latest"))
		}
	}
	return all
}
