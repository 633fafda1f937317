package terminal

import (
	"fmt"
	"regexp"
	"strings"
)

// asides are the notes and warnings that wait until the answer is printed, which they
// would drown before it.
type asides struct {
	texts     []string // "note: ..." and "warning: ...", each once
	seen      map[string]bool
	immediate bool
}

// Note says what is good to know, when the answer is printed.
func (p *Printer) Note(format string, args ...any) { p.aside("note: " + fmt.Sprintf(format, args...)) }

// Warn warns, when the answer is printed: each warning once.
func (p *Printer) Warn(format string, args ...any) { p.WarnText(fmt.Sprintf(format, args...)) }

// WarnText is Warn for a text.
func (p *Printer) WarnText(text string) { p.aside(warning + text) }

// WarnAll is Warn for many texts.
func (p *Printer) WarnAll(warnings []string) {
	for _, w := range warnings {
		p.WarnText(w)
	}
}

// warning begins those.
const warning = "warning: "

func (p *Printer) aside(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &p.asides
	if a.seen[text] {
		return
	}
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen[text] = true
	if a.immediate {
		p.line(p.Err, "rebuild: "+text)
	} else {
		a.texts = append(a.texts, text)
	}
}

// Asides prints the notes and warnings that were held back: the answer is there. Of
// warnings that differ in names alone the first is printed, with the number of the others.
func (p *Printer) Asides() {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := p.asides.texts
	p.asides.texts = nil
	for i, text := range texts {
		more := 0
		if text != "" && strings.HasPrefix(text, warning) && !p.Verbose {
			for j := i + 1; j < len(texts); j++ {
				if texts[j] != "" && alike(text, texts[j]) {
					texts[j] = ""
					more++
				}
			}
		}
		switch {
		case text == "":
			continue
		case more > 0:
			text += fmt.Sprintf(" (and %d more of this kind: -v prints all)", more)
		}
		p.line(p.Err, "rebuild: "+text)
	}
}

// AsidesAtOnce prints what was held back, and all that comes later as it comes: a verb that
// goes on for hours has no end to wait for.
func (p *Printer) AsidesAtOnce() {
	p.Asides()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asides.immediate = true
}

// forget forgets those that came after the first ones.
func (a *asides) forget(first int) {
	first = min(first, len(a.texts))
	for _, text := range a.texts[first:] {
		delete(a.seen, text)
	}
	a.texts = a.texts[:first]
}

// named are the parts of a warning that name something: what is in quotes, and whatever
// has more than letters in it.
var named = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^\s,;()]*[^\sa-z,;()'][^\s,;()]*`)

// alike tells whether two warnings are of one kind: word for word they are the same, but
// for what is named, and for one word in four, since an image may have any name.
func alike(a, b string) bool {
	if !strings.HasPrefix(b, warning) {
		return false
	}
	of := func(text string) []string {
		return strings.Fields(named.ReplaceAllString(strings.TrimPrefix(text, warning), "*"))
	}
	wordsA, wordsB := of(a), of(b)
	if len(wordsA) != len(wordsB) {
		return false
	}
	const fourth = 4
	plain, other := 0, 0
	for i, word := range wordsA {
		if word == "*" && wordsB[i] == "*" {
			continue
		}
		plain++
		if word != wordsB[i] {
			other++
		}
	}
	return plain > 0 && other*fourth <= plain
}
