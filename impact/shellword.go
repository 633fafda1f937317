package impact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShellWord is a name as one word of a command, for hints that are copied to a shell. What
// cannot be printed is written with $'...' (POSIX.1-2024; bash, zsh and ksh have had it for
// long), so that a hint is one line.
func ShellWord(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	if name != "" && strings.Trim(name, plain) == "" {
		return name
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if !strings.ContainsFunc(name, odd) && !strings.Contains(name, "##") {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ' || c >= 0x7f || c == '#':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return "$'" + b.String() + "'"
}
