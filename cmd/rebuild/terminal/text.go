package terminal

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names of files and images, arguments and messages come from whoever wrote them, and may
// hold anything. In what is printed for people they can neither begin a line, nor move a
// cursor, nor be taken for a command by the program that reads a CI job's log.

// Quoted is a name as git prints it with core.quotePath=false: in quotes, with the escapes
// of C, when something in it cannot be printed (quote.c, quote_c_style). So are bytes that
// are no UTF-8, characters that steer a terminal or the direction of text, and what a
// CI system would take for a command.
func Quoted(name string) string {
	text := escaped(name, false)
	if text == name && !strings.ContainsAny(name, `"\`) && unspoken(name) == name {
		return name
	}
	var b strings.Builder
	for _, part := range strings.SplitAfter(name, `\`) {
		plain, cut := strings.CutSuffix(part, `\`)
		b.WriteString(strings.ReplaceAll(escaped(plain, false), `"`, `\"`))
		if cut {
			b.WriteString(`\\`)
		}
	}
	return unspoken(`"` + b.String() + `"`)
}

// QuotedAll are several names, each as Quoted gives it.
func QuotedAll(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quoted(name)
	}
	return quoted
}

// Plain is a text as one line: what cannot be printed is escaped as in Quoted. Tabs are
// left.
func Plain(text string) string { return unspoken(escaped(text, true)) }

// LogLine is Plain for a line that a program printed: colors are left out.
func LogLine(line string) string {
	return Plain(colors.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""))
}

// colors are the sequences that choose them (ECMA-48, SGR).
var colors = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// escapes are those of C that have a letter.
var escapes = map[rune]string{'\a': `\a`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\v': `\v`, '\f': `\f`, '\r': `\r`}

// escaped writes what cannot be printed as the escapes of C.
func escaped(s string, tabs bool) string {
	if printable(s, tabs) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case fits(r, n, tabs):
			b.WriteString(s[:n])
		case escapes[r] != "":
			b.WriteString(escapes[r])
		default:
			for i := range n {
				fmt.Fprintf(&b, `\%03o`, s[i])
			}
		}
		s = s[n:]
	}
	return b.String()
}

func printable(s string, tabs bool) bool {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if !fits(r, n, tabs) {
			return false
		}
		s = s[n:]
	}
	return true
}

func fits(r rune, bytes int, tabs bool) bool {
	return unicode.IsPrint(r) && (r != utf8.RuneError || bytes > 1) || tabs && r == '\t'
}

// spoken are the commands that CI systems find within a line: GitHub's older ones, Azure's
// and TeamCity's.
var spoken = regexp.MustCompile(`##(\w*)\[`)

// unspoken takes commands to a CI system out of a line. GitHub's begin the line, after
// blanks (actions/runner, ActionCommand.cs).
func unspoken(line string) string {
	if strings.Contains(line, "##") {
		line = spoken.ReplaceAllString(line, `\043#$1[`)
	}
	if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		line = line[:len(line)-len(rest)] + `\072` + rest[1:]
	}
	return line
}
