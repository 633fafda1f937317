package terminal

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// columns is how wide a text is on a terminal; the sequences that choose colors take no
// room.
func columns(text string) int {
	if strings.Contains(text, "\x1b") {
		text = colors.ReplaceAllString(text, "")
	}
	return runewidth.StringWidth(text)
}

// hang is how much further to the right a line goes on that was too long.
const hang = 2

// fold breaks a line at its blanks, so that no part is wider than width, and indents what
// goes on below. A word that is wider is broken, since the terminal would break it; so is a
// line that is mostly indentation. A width of 0 or less is any.
func fold(line string, width int) []string {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	return foldBelow(line, width, indent+hang)
}

// foldBelow is fold with a given indentation of what goes on below.
func foldBelow(line string, width, indent int) []string {
	if width <= 0 {
		return []string{line}
	}
	indent = min(indent, width/2)
	part, rest := broken(line, width)
	lines := []string{part}
	for rest != "" {
		part, rest = broken(rest, width-indent)
		lines = append(lines, strings.Repeat(" ", indent)+part)
	}
	return lines
}

// broken cuts a line after the last word that ends within width, or where width ends when
// there is none; rest begins with a word.
func broken(line string, width int) (part, rest string) {
	wide, blank, text := 0, 0, false
	for i := 0; i < len(line); {
		if line[i] == '\x1b' {
			if color := colors.FindStringIndex(line[i:min(len(line), i+longestColor)]); color != nil && color[0] == 0 {
				i += color[1]
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(line[i:])
		w := runewidth.RuneWidth(r)
		if r == ' ' && text {
			blank = i
		}
		if wide+w > width {
			switch {
			case blank > 0:
				i = blank
			case i == 0: // it has room nowhere
				i += n
			}
			return strings.TrimRight(line[:i], " "), strings.TrimLeft(line[i:], " ")
		}
		text = text || r != ' '
		wide += w
		i += n
	}
	return line, ""
}

// longestColor is how many bytes a sequence may have that is taken for a color.
const longestColor = 32

// Elide shortens a text in its middle to so many columns: the beginning of a path and its
// end say most.
func Elide(text string, width int) string {
	wide := runewidth.StringWidth(text)
	if wide <= width || width < 1 {
		return text
	}
	head := runewidth.Truncate(text, (width-1)/3, "")
	left := width - 1 - runewidth.StringWidth(head)
	return head + "…" + runewidth.TruncateLeft(text, wide-left, "")
}
