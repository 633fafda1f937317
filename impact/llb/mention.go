package llb

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"rebuild/impact"
)

// What names an image in a Dockerfile, as far as it can be told without parsing it: the
// text may be one that BuildKit's parser refuses.
var (
	fromLine  = regexp.MustCompile(`(?im)^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)`)
	fromFlag  = regexp.MustCompile(`\bfrom=["']?([^\s,"']+)`)
	argLine   = regexp.MustCompile(`(?im)^[ \t]*ARG[ \t]+(\w+)=["']?([^\s"']*)`)
	wordParts = regexp.MustCompile(`[A-Za-z0-9]`)
)

// unknownPart stands for what is not known of a reference.
const unknownPart = "*"

// mentions tells which references a Dockerfile may mean; nil: none. With arguments whose
// values are not known, only those references that have one of them.
func mentions(im impact.Image, text []byte, lacking []string) func(ref string) bool {
	values := map[string]string{}
	for _, name := range lacking {
		values[name] = unknownPart
	}
	for _, m := range argLine.FindAllSubmatch(text, -1) {
		name := string(m[1])
		if _, known := values[name]; !known {
			values[name] = expand(string(m[2]), values)
		}
	}
	for name, v := range im.Args {
		if !slices.Contains(lacking, name) {
			values[name] = v
		}
	}
	var words []string
	for _, m := range fromLine.FindAllSubmatch(text, -1) {
		words = append(words, expand(string(m[1]), values))
	}
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
			if p := pattern(w); p != nil {
				patterns = append(patterns, p)
			}
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

// expand replaces the variables of a word; those without a value are unknown parts.
func expand(word string, values map[string]string) string {
	return os.Expand(word, func(name string) string {
		name, otherwise, hasDefault := strings.Cut(name, ":-")
		if v, ok := values[name]; ok && (v != "" || !hasDefault) {
			return v
		}
		if hasDefault {
			return otherwise
		}
		return unknownPart
	})
}

// pattern is what a word with unknown parts may stand for, nil when that is anything.
func pattern(word string) *regexp.Regexp {
	repository, _, _ := strings.Cut(word[strings.LastIndex(word, "/")+1:], ":")
	if !wordParts.MatchString(repository) {
		return nil
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(word), regexp.QuoteMeta(unknownPart), ".*")
	return regexp.MustCompile("^" + quoted + "$")
}

// spellings are the ways in which people write a reference.
func spellings(ref string) []string {
	all := []string{ref}
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		familiar := reference.FamiliarString(named)
		all = append(all, familiar, strings.TrimSuffix(familiar, ":latest"), strings.TrimSuffix(ref, ":latest"))
	}
	return all
}
