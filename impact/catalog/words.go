package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordsOf splits a name into words, however they are put together: "NodeBase", "node-base" and
// "node_base" are two, "alpine3.22-amd64" is "alpine", "3.22", "amd" and "64". A version is
// one word, without the "v" that may stand before it.
func wordsOf(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if text := strings.TrimRight(string(word), "."); text != "" {
			out = append(out, text)
		}
		word = nil
	}
	runes := []rune(name)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return 0
		}
		return runes[i]
	}
	for i, r := range runes {
		before, after := at(i-1), at(i+1)
		switch {
		case unicode.IsDigit(r):
			if len(word) > 0 && !startsWithDigit(string(word)) {
				if len(word) == 1 && word[0] == 'v' && !isWordRune(at(i-2)) {
					word = nil
				}
				flush()
			}
		case r == '.' && len(word) > 0 && startsWithDigit(string(word)) && unicode.IsDigit(after):
		case !unicode.IsLetter(r):
			flush()
			continue
		case len(word) > 0 && startsWithDigit(string(word)), // "3.22" of 3.22amd
			unicode.IsUpper(r) && unicode.IsLower(before),                           // "Base" of NodeBase
			unicode.IsUpper(r) && unicode.IsUpper(before) && unicode.IsLower(after): // "Server" of HTTPServer
			flush()
		}
		word = append(word, unicode.ToLower(r))
	}
	flush()
	return out
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func startsWithDigit(word string) bool {
	r, _ := utf8.DecodeRuneInString(word)
	return unicode.IsDigit(r)
}

func endsWithDigit(word string) bool {
	r, _ := utf8.DecodeLastRuneInString(word)
	return unicode.IsDigit(r)
}

// joined puts words together again, in the one way in which all names are compared. Numbers
// stay apart: 1.10 is not 11.0.
func joined(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && startsWithDigit(w) && endsWithDigit(words[i-1]) {
			b.WriteByte('.')
		}
		b.WriteString(w)
	}
	return b.String()
}

// shortened gives a version without its last numbers: 10.0 and 10 of 10.0.3. A word that is
// none has no such.
func shortened(word string) []string {
	var out []string
	for startsWithDigit(word) {
		end := strings.LastIndexByte(word, '.')
		if end < 0 {
			break
		}
		word = word[:end]
		out = append(out, word)
	}
	return out
}
