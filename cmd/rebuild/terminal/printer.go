// Package terminal is what the program prints with: lines of the answer and of the
// messages beside it, tables, lines that stay below a log, and a file that is followed.
// It knows nothing of images: the words are given to it.
//
// It promises that the answer alone goes to stdout and all else to stderr, that warnings
// come after the answer and each kind of them once, that a line is one line whatever names
// are in it and none is wider than the terminal, and that no control codes are written but
// its own, and those to a terminal alone.
package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Printer writes all that the program prints. A message is "rebuild: error: what
// path:line: cause" or "rebuild: warning: …", followed by "rebuild: hint: …" with the
// exact command or edit that cures it; lower case, no full stop. Its methods may be
// called concurrently.
type Printer struct {
	Out   io.Writer // takes the answer
	Err   io.Writer // takes all else
	Color bool      // of the answer

	Verbose bool // every warning is printed, not only the first of a kind

	// Withhold takes out of each text what nobody may see; nil: nothing. It is set before
	// anything is printed.
	Withhold func(text string) string

	mu     sync.Mutex
	asides asides // guarded by mu
}

// New gives a printer that writes the answer to out, in color if that is a terminal and
// NO_COLOR is not set.
func New(out, err io.Writer) *Printer {
	return &Printer{Out: out, Err: err, Color: IsTerminal(out) && os.Getenv("NO_COLOR") == ""}
}

// IsTerminal tells whether somebody looks at what is written, or writes what is read.
func IsTerminal(file any) bool {
	if s, ok := file.(sized); ok {
		width, _ := s.Size()
		return width > 0
	}
	f, ok := file.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sized is a terminal that is no file: what is drawn above live lines, or a test's. A
// width of 0 says that it is none.
type sized interface{ Size() (width, height int) }

// sizeOf is how many columns and rows a terminal has; 0 for what is none.
func sizeOf(w io.Writer) (width, height int) {
	switch w := w.(type) {
	case sized:
		return w.Size()
	case *os.File:
		if width, height, err := term.GetSize(int(w.Fd())); err == nil {
			return width, height
		}
	}
	return 0, 0
}

// IsDevice tells of a terminal, and of the null device: nobody has put anything into it.
func IsDevice(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// Width is how many columns the terminal has that takes the answer; 0 is any number, for
// what is no terminal.
func (p *Printer) Width() int {
	width, _ := sizeOf(p.Out)
	return width
}

// MessageWidth is that of the terminal that takes all else.
func (p *Printer) MessageWidth() int {
	width, _ := sizeOf(p.Err)
	return width
}

// Answer writes a line to stdout.
func (p *Printer) Answer(format string, args ...any) { p.line(p.Out, fmt.Sprintf(format, args...)) }

// Message writes a line to stderr.
func (p *Printer) Message(format string, args ...any) { p.line(p.Err, fmt.Sprintf(format, args...)) }

// line is how text for people is written. On a terminal a line that is too long goes on
// below.
func (p *Printer) line(w io.Writer, text string) {
	width, _ := sizeOf(w)
	_, _ = io.WriteString(w, strings.Join(fold(p.Seen(text), width), "\n")+"\n") // whoever read it has gone
}

// Seen is a text as people may see it: one line, without what nobody may see.
func (p *Printer) Seen(text string) string { return Plain(p.withheld(text)) }

func (p *Printer) withheld(text string) string {
	if p.Withhold == nil {
		return text
	}
	return p.Withhold(text)
}

// Heading writes a title, which stands out on a terminal, and the rest of its line to
// stdout.
func (p *Printer) Heading(title, rest string) {
	title, rest = p.Seen(title), p.Seen(rest)
	if p.Color {
		title = "\x1b[1m" + title + "\x1b[0m"
	}
	_, _ = io.WriteString(p.Out, title+rest+"\n") // whoever read it has gone
}

// Fail writes an error and, unless it is "", the hint that cures it.
func (p *Printer) Fail(text, hint string) {
	p.Message("rebuild: error: %s", strings.TrimSpace(text))
	p.Hint(hint)
}

// Hint writes what cures the error before it; "" is nothing. It is one line however long:
// its command is there to be copied.
func (p *Printer) Hint(hint string) {
	if hint != "" {
		_, _ = io.WriteString(p.Err, p.Seen("rebuild: hint: "+hint)+"\n") // whoever read it has gone
	}
}

// JSON writes a value as the whole answer, indented.
func (p *Printer) JSON(v any) error { return p.encode(v, " ") }

// JSONLine writes a value as the whole answer, in one line.
func (p *Printer) JSONLine(v any) error { return p.encode(v, "") }

func (p *Printer) encode(v any, indent string) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(Exact(v))
	if err == nil {
		_, err = p.Out.Write(unspokenJSON(withheldJSON(text.Bytes(), p.withheld)))
	}
	if err != nil {
		return fmt.Errorf("cannot print the answer: %w", err)
	}
	return nil
}

// JSONText writes JSON as the whole answer, with all values that it holds: it is to be built
// with.
func (p *Printer) JSONText(text []byte) error {
	if _, err := p.Out.Write(unspokenJSON(text)); err != nil {
		return fmt.Errorf("cannot print the answer: %w", err)
	}
	return nil
}

// JSONLines writes lines of JSON to stdout, each given with one call.
func (p *Printer) JSONLines() io.Writer {
	return &lineWriter{func(line string) string { return string(unspokenJSON(withheldJSON([]byte(line), p.withheld))) }, p.Out}
}

// LogLines writes lines that a program printed to stdout, each given with one call.
func (p *Printer) LogLines() io.Writer {
	return &lineWriter{func(line string) string { return LogLine(p.withheld(line)) + "\n" }, p.Out}
}

// Folded writes text of whole lines to stdout, which go on below where they are too long for
// the terminal.
func (p *Printer) Folded() io.Writer {
	return &lineWriter{func(text string) string {
		var folded strings.Builder
		for line := range strings.Lines(text) {
			rest, ended := strings.CutSuffix(line, "\n")
			folded.WriteString(strings.Join(fold(rest, p.Width()), "\n"))
			if ended {
				folded.WriteString("\n")
			}
		}
		return folded.String()
	}, p.Out}
}

// lineWriter writes lines as clean makes them.
type lineWriter struct {
	clean func(string) string
	out   io.Writer
}

func (w *lineWriter) Write(line []byte) (int, error) {
	_, err := io.WriteString(w.out, w.clean(string(line)))
	return len(line), err
}

// Buffer holds back what goes to stderr until it is known whether it matters: the
// function that it gives prints it, or forgets it with the notes and warnings.
func (p *Printer) Buffer() (end func(print bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stderr, buffered, before := p.Err, &bytes.Buffer{}, len(p.asides.texts)
	p.Err = buffered
	return func(print bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.Err = stderr; print {
			_, _ = buffered.WriteTo(stderr) // nobody is left to hear that it cannot be printed
		} else {
			p.asides.forget(before)
		}
	}
}
