package recording

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// sameInput says which images are built from the same input, in one line: a script that
// means them to differ does not do what it should.
func sameInput(images []*Image) string {
	groups := map[string][]*Image{}
	var order []string
	for _, im := range images {
		if im.text == "" {
			continue
		}
		key := inputOf(im)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], im)
	}
	isMade := func(im *Image) bool { return im.generic }
	isFile := func(im *Image) bool { return !im.generic }
	dead := false
	var pairs []string
	for _, key := range order {
		group := groups[key]
		if len(group) < 2 {
			continue
		}
		var names []string
		for _, im := range group {
			names = append(names, im.label())
		}
		pairs = append(pairs, strings.Join(names[:len(names)-1], ", ")+" and "+names[len(names)-1])
		dead = dead || slices.ContainsFunc(group, isMade) && slices.ContainsFunc(group, isFile)
	}
	if pairs == nil {
		return ""
	}
	text := strings.Join(pairs[:min(named, len(pairs))], "; ")
	if len(pairs) > named {
		text += fmt.Sprintf("; and %d more pairs", len(pairs)-named)
	}
	text += " are built from the same input"
	if dead {
		text += ": the Dockerfile that the script makes equals the file to the byte, so what should change it (sed?) matches nothing"
	}
	return text
}

// inputOf is what an image is made of. Arguments that its Dockerfile does not declare, or
// whose value is the declared one, are no part of it.
func inputOf(im *Image) string {
	defaults := declared(im.text)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(im.Args)) {
		if v, ok := defaults[name]; ok && v != im.Args[name] {
			args = append(args, name+"="+im.Args[name])
		}
	}
	return fmt.Sprintf("%q %q %q %q %q %q %q", im.text, im.Context, im.RemoteContext, im.Target, args, im.Platforms, im.Contexts)
}

var argument = regexp.MustCompile(`(?i)^\s*ARG\s+(.*)`)

// declared are the arguments of a Dockerfile with their defaults. One that has several, or
// is computed, has a default that no value equals.
func declared(text string) map[string]string {
	const none = "\x00"
	out := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		m := argument.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, word := range strings.Fields(m[1]) {
			name, value, given := strings.Cut(word, "=")
			value = strings.Trim(value, `"'`)
			if before, ok := out[name]; !given || strings.Contains(value, "$") || ok && before != value {
				if ok && !given { // "ARG X" in a stage takes the global one
					continue
				}
				value = none
			}
			out[name] = value
		}
	}
	return out
}
