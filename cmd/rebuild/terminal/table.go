package terminal

import (
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// columnGap is what stands between two columns.
const columnGap = 2

// leastCell is how few columns of a terminal are worth going on in with a long cell, and
// leastName how few tell what a cell was that is cut.
const (
	leastCell = 16
	leastName = 10
)

// Table writes rows in columns, each as wide as its widest cell; wide characters count
// as two. On a terminal the last cell of a row that is too long goes on below itself, and
// others are shortened in their middle when nothing else helps.
func (p *Printer) Table(indent string, rows [][]string) {
	width := p.Width()
	rows = p.withheldRows(rows)
	var text strings.Builder
	for _, r := range lay(indent, rows, width) {
		text.WriteString(r.within(width) + "\n")
	}
	_, _ = io.WriteString(p.Out, text.String()) // whoever read it has gone
}

// Columns is Table for rows below a heading. On a terminal that is too narrow for all, those
// columns are left out that the list names, the first first.
func (p *Printer) Columns(rows [][]string, lessWanted ...string) {
	width := p.Width()
	rows = p.withheldRows(rows)
	for _, heading := range lessWanted {
		if width == 0 || len(rows) == 0 || wide(rows, width) <= width {
			break
		}
		rows = without(rows, slices.Index(rows[0], heading))
	}
	p.Table("", rows)
}

func (p *Printer) withheldRows(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, cells := range rows {
		out[i] = make([]string, len(cells))
		for j, cell := range cells {
			out[i][j] = p.withheld(cell)
		}
	}
	return out
}

// wide is how wide a table is in a terminal of so many columns, with its cells as short as
// is worth reading.
func wide(rows [][]string, width int) int {
	widths := widthsOf(rows)
	sum := 0
	for i, w := range widths {
		if i > 0 && i < len(widths)-1 {
			w = min(w, worthReading(width))
		}
		sum += w + columnGap
	}
	return sum - columnGap
}

// worthReading is how few columns of a table of so many are left of a cell that is cut.
func worthReading(width int) int {
	const part = 4
	return max(leastName, width/part)
}

// without is a table without a column; -1 is none.
func without(rows [][]string, column int) [][]string {
	var out [][]string
	for _, cells := range rows {
		if column >= 0 && column < len(cells) {
			cells = slices.Delete(slices.Clone(cells), column, column+1)
		}
		out = append(out, cells)
	}
	return out
}

// TableLines are the rows of a table as a line each, of at most width columns; 0: of any
// length.
func (p *Printer) TableLines(indent string, rows [][]string, width int) []string {
	var lines []string
	for _, r := range lay(indent, p.withheldRows(rows), width) {
		lines = append(lines, Cut(r.within(0), width))
	}
	return lines
}

// Beside writes a text beside a head; on a terminal a text that is too long goes on below
// itself.
func (p *Printer) Beside(head, text string) {
	r := row{p.Seen(head), p.Seen(text)}
	_, _ = io.WriteString(p.Out, r.within(p.Width())+"\n") // whoever read it has gone
}

// row is a row of a table that is laid out: all but its last cell, and that.
type row struct{ head, last string }

// lay pads the cells of each column to the same width. A cell is one line.
func lay(indent string, rows [][]string, width int) []row {
	widths := widthsOf(rows)
	if width > 0 {
		narrow(widths, width-len(indent))
	}
	laid := make([]row, len(rows))
	for i, cells := range rows {
		laid[i].head = indent
		for j, cell := range cells {
			cell = Plain(cell)
			if j == len(cells)-1 {
				laid[i].last = cell
			} else {
				laid[i].head += runewidth.FillRight(Elide(cell, widths[j]), widths[j]+columnGap)
			}
		}
	}
	return laid
}

// widthsOf are the widths of a table's columns.
func widthsOf(rows [][]string) []int {
	var widths []int
	for _, cells := range rows {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(Plain(cell)))
		}
	}
	return widths
}

// narrow makes the widest columns narrower until the last cells have room, but none
// narrower than is worth reading, and not the first, which says what the row is about;
// then any, until there is room for a part of a last cell.
func narrow(widths []int, width int) {
	if len(widths) == 0 {
		return
	}
	heads, last := widths[:len(widths)-1], widths[len(widths)-1]
	shrink(heads, 1, worthReading(width), width-last)
	shrink(heads, 0, leastName, width-min(last, leastCell))
}

// shrink makes the widest columns from one on narrower, to least, until all fit.
func shrink(widths []int, from, least, room int) {
	for {
		sum, widest := 0, -1
		for i, w := range widths {
			sum += w + columnGap
			if i >= from && w > least && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if sum <= room || widest < 0 {
			return
		}
		widths[widest]--
	}
}

// within is the row in a terminal of so many columns; 0: of any number.
func (r row) within(width int) string {
	left := width - columns(r.head)
	if width <= 0 || left < leastCell {
		return strings.Join(fold(strings.TrimRight(r.head+r.last, " "), width), "\n")
	}
	below := "\n" + strings.Repeat(" ", width-left)
	return strings.TrimRight(r.head+strings.Join(foldBelow(r.last, left, 0), below), " ")
}

// Cut shortens a line to so many columns; 0: not at all.
func Cut(line string, width int) string {
	if width <= 0 {
		return Plain(line)
	}
	return runewidth.Truncate(Plain(line), width, "…")
}
