package recording

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// warnings are collected by kind: each is one line, with its first places.
type warnings struct {
	kinds  []string
	places map[string][]string
}

// add notes that a kind of thing was met at a place, which its %s stands for.
func (w *warnings) add(kind, place string) {
	if w.places == nil {
		w.places = map[string][]string{}
	}
	if _, ok := w.places[kind]; !ok {
		w.kinds = append(w.kinds, kind)
	}
	if !slices.Contains(w.places[kind], place) {
		w.places[kind] = append(w.places[kind], place)
	}
}

// named is how many places a warning names.
const named = 3

// lines are the warnings in words.
func (w *warnings) lines() []string {
	var out []string
	for _, kind := range w.kinds {
		places := w.places[kind]
		text := strings.Join(places[:min(named, len(places))], ", ")
		if len(places) > named {
			text += fmt.Sprintf(" and %d more", len(places)-named)
		}
		out = append(out, strings.Replace(kind, "%s", text, 1))
	}
	return out
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)
