package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mostTraces is how many are kept beside each other: one for each environment that
// pushes come from.
const mostTraces = 20

// The form of a trace's file: fields that end in a zero byte, each of a letter and its
// text. Zero bytes are the only ones that no path of git holds.
const (
	traceVersion = "rebuild trace 1"
	traceEnd     = "end"
)

// Write puts the trace into a file in one step, and takes the oldest of its folder
// away.
func (t *Trace) Write(file string) error {
	if err := replaceFile(file, t.text(), 0o600); err != nil {
		return err
	}
	return prune(filepath.Dir(file))
}

func (t *Trace) text() []byte {
	var b bytes.Buffer
	put := func(kind byte, texts ...string) {
		for _, s := range texts {
			b.WriteByte(kind)
			b.WriteString(s)
			b.WriteByte(0)
		}
	}
	b.WriteString(traceVersion + "\x00")
	put('c', t.Commit)
	put('g', t.Conversions)
	put('d', t.Folders...)
	put('w', t.Whole...)
	put('f', t.Files...)
	for _, s := range t.Beside {
		put('b', s.Digest+" "+s.Path)
	}
	b.WriteString(traceEnd + "\x00")
	return b.Bytes()
}

// prune keeps the newest files of a folder.
func prune(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= mostTraces {
		return err
	}
	written := map[string]time.Time{}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil { // else another push took it away
			written[e.Name()] = fi.ModTime()
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return written[b.Name()].Compare(written[a.Name()]) })
	for _, e := range entries[mostTraces:] {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ReadTrace reads what Write wrote. The error is fs.ErrNotExist when there is none.
func ReadTrace(file string) (*Trace, error) {
	data, err := readRegular(file)
	if err != nil {
		return nil, err
	}
	t, err := parseTrace(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

func parseTrace(text string) (*Trace, error) {
	fields := strings.Split(text, "\x00")
	n := len(fields)
	if n < 3 || fields[0] != traceVersion || fields[n-2] != traceEnd || fields[n-1] != "" {
		return nil, errors.New("no trace of a check")
	}
	t := &Trace{}
	for _, f := range fields[1 : n-2] {
		if f == "" {
			return nil, errors.New("a field is empty")
		}
		switch text := f[1:]; f[0] {
		case 'c':
			t.Commit = text
		case 'g':
			t.Conversions = text
		case 'd':
			t.Folders = append(t.Folders, text)
		case 'w':
			t.Whole = append(t.Whole, text)
		case 'f':
			t.Files = append(t.Files, text)
		case 'b':
			sum, path, _ := strings.Cut(text, " ")
			t.Beside = append(t.Beside, Stamp{path, sum})
		default:
			return nil, fmt.Errorf("unknown field %q", f)
		}
	}
	return t, nil
}
