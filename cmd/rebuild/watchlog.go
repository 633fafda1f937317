package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"rebuild/docker"
)

// The daemon's log is a file of JSON lines. It is rotated when it has this many
// megabytes, and this many old ones are kept.
const (
	logSize    = 10
	logBackups = 2
)

// logTime is how times are written: with the milliseconds that builds take to begin.
const logTime = "2006-01-02T15:04:05.000Z07:00"

func logPath(state string) string { return filepath.Join(state, "watch.log") }

// consoleLog writes log lines for people: the time and what happened.
func consoleLog(out io.Writer, color bool) zerolog.ConsoleWriter {
	return zerolog.ConsoleWriter{
		Out: out, NoColor: !color, TimeFormat: time.TimeOnly,
		PartsOrder:    []string{zerolog.TimestampFieldName, zerolog.MessageFieldName},
		FieldsExclude: []string{"image", "cause", "seconds", "estimate", "ran", "where", "what", "folders"},
	}
}

func logsCommand(v *voice) *cobra.Command {
	follow, format := false, ""
	cmd := &cobra.Command{
		Use:   "logs [-f] [IMAGE]",
		Short: "print the daemon's log, or that of an image's last build",
		Args:  cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	cmd.Flags().StringVar(&format, "format", "text", "of the daemon's log: `FORMAT`, text or json")
	return stateCommand(v, cmd, func(ctx context.Context, w *workspace, args []string) error {
		if err := oneOf("format", format, "text", "json"); err != nil {
			return err
		}
		path, out := logPath(w.state), v.out
		if format == "text" && len(args) == 0 {
			out = consoleLog(v.out, v.color)
		}
		if len(args) == 1 {
			dir := filepath.Join(w.state, "records")
			path = docker.OpenRecords(dir, docker.LastEngine(dir)).LogFile(args[0])
		}
		err := printFile(ctx, path, out, follow)
		if errors.Is(err, os.ErrNotExist) && len(args) == 1 {
			return hinted{fmt.Errorf("no build of %q has left a log", args[0]), "rebuild list"}
		}
		if errors.Is(err, os.ErrNotExist) {
			return hinted{noDaemon{w.root}, "rebuild watch -d"}
		}
		return err
	})
}

// followPoll is how soon an addition to a log is printed.
const followPoll = 100 * time.Millisecond

// printFile writes a file's lines, each with one call, and with follow those that are
// added, also when another file takes its place, until ctx ends.
func printFile(ctx context.Context, path string, out io.Writer, follow bool) error {
	f, err := os.Open(path)
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
		if !follow {
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
	next, err := os.Open(path)
	if err != nil {
		return nil
	}
	return next
}
