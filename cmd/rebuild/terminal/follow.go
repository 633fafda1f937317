package terminal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"rebuild/impact/safefile"
)

// followPoll is how soon an addition to a log is printed.
const followPoll = 100 * time.Millisecond

// Follow writes a file's lines, each with one call, and with goOn those that are added,
// also when another file takes its place, until ctx ends.
func Follow(ctx context.Context, path string, out io.Writer, goOn bool) error {
	f, err := safefile.Follow(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	r, part := bufio.NewReader(f), ""
	var next *os.File // has taken the place of f, of which the rest is read first
	for {
		line, err := r.ReadString('\n')
		if part += line; err == nil {
			if _, err := io.WriteString(out, part); err != nil {
				return err
			}
			part = ""
			continue
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		if next != nil {
			_ = f.Close()
			f, r, part, next = next, bufio.NewReader(next), "", nil
			continue
		}
		if !goOn {
			if strings.TrimSpace(part) != "" {
				_, err = io.WriteString(out, part+"\n")
				return err
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // it is how following ends
		case <-time.After(followPoll):
		}
		next = replaced(f, path)
	}
}

// replaced opens the file that has taken another's place, nil when none has: one of
// another name, or the same begun anew.
func replaced(f *os.File, path string) *os.File {
	was, err := f.Stat()
	if err != nil {
		return nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	now, err := os.Stat(path)
	if err != nil || os.SameFile(was, now) && now.Size() >= at {
		return nil
	}
	next, err := safefile.Follow(path)
	if err != nil {
		return nil
	}
	return next
}
