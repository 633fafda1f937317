package terminal

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// columnGap is what stands between two columns.
const columnGap = 2

// leastCell is how few columns of a terminal are worth going on in with a long cell.
const leastCell = 20

// Table writes rows in columns, each as wide as its widest cell; wide characters count
// as two. On a terminal the last cell of a row that is too long goes on below itself.
func (p *Printer) Table(indent string, rows [][]string) {
	width := widthOf(p.Out)
	var text strings.Builder
	for _, r := range lay(indent, rows) {
		text.WriteString(r.within(width) + "\n")
	}
	_, _ = io.WriteString(p.Out, text.String()) // whoever read it has gone
}

// TableLines are the rows of a table as a line each, of at most width columns; 0: of any
// length.
func TableLines(indent string, rows [][]string, width int) []string {
	var lines []string
	for _, r := range lay(indent, rows) {
		lines = append(lines, Cut(r.within(0), width))
	}
	return lines
}

// row is a row of a table that is laid out: all but its last cell, and that.
type row struct{ head, last string }

// lay pads the cells of each column to the same width. A cell is one line.
func lay(indent string, rows [][]string) []row {
	var widths []int
	for _, cells := range rows {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runewidth.StringWidth(Plain(cell)))
		}
	}
	laid := make([]row, len(rows))
	for i, cells := range rows {
		laid[i].head = indent
		for j, cell := range cells {
			cell = Plain(cell)
			if j == len(cells)-1 {
				laid[i].last = cell
			} else {
				laid[i].head += runewidth.FillRight(cell, widths[j]+columnGap)
			}
		}
	}
	return laid
}

// within is the row in a terminal of so many columns; 0: of any number.
func (r row) within(width int) string {
	left := width - runewidth.StringWidth(r.head)
	if width > 0 && left >= leastCell && runewidth.StringWidth(r.last) > left {
		below := "\n" + strings.Repeat(" ", width-left)
		return r.head + strings.ReplaceAll(runewidth.Wrap(r.last, left), "\n", below)
	}
	return strings.TrimRight(r.head+r.last, " ")
}

// Cut shortens a line to so many columns; 0: not at all.
func Cut(line string, width int) string {
	if width <= 0 {
		return Plain(line)
	}
	return runewidth.Truncate(Plain(line), width, "…")
}
