package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// Holder is the process that has the lock.
type Holder struct {
	PID     int       `json:"pid"` // 0: not known
	Command string    `json:"command"`
	Started time.Time `json:"started"`
}

// String names the process for people.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d (%s, since %s)", h.PID, h.Command, h.Started.Format(time.TimeOnly))
}

// Locked says who holds the lock.
type Locked struct{ Holder Holder }

// Error implements error.
func (l *Locked) Error() string { return "another run is under way: " + l.Holder.String() }

// lockPoll is how soon a freed lock is noticed. The system's own wait cannot be
// interrupted.
const lockPoll = 50 * time.Millisecond

// RunLock is the lock that a run of the repository holds.
func (s *Session) RunLock() string { return filepath.Join(s.State, "lock") }

// WatchLock is the lock that the repository's one daemon holds.
func (s *Session) WatchLock() string { return filepath.Join(s.State, "watch.lock") }

// Lock takes the lock at path, and gives the function that releases it. When
// another process has it: without wait the error is a *Locked; else onWait is
// told once, and the lock waited for until ctx ends. The system frees the lock
// when its process ends, however that happens.
func Lock(ctx context.Context, path string, wait bool, onWait func(Holder)) (release func() error, err error) {
	if err := safefile.Folder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() { // opening it may never end
		return nil, &impact.Fault{Path: path, Cause: "it cannot be locked: " + safefile.NotRegular(fi.Mode()).Error(), Hint: "rm " + impact.ShellWord(path)}
	}
	lock := flock.New(path, flock.SetPermissions(safefile.FileMode))
	got, err := lock.TryLock()
	if err == nil && !got {
		holder := readHolder(path)
		if !wait {
			_ = lock.Close() // nothing is held
			return nil, &Locked{Holder: holder}
		}
		if onWait != nil {
			onWait(holder)
		}
		_, err = lock.TryLockContext(ctx, lockPoll)
	}
	if err == nil {
		err = writeHolder(path)
	}
	if err != nil {
		_ = lock.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() error {
		_ = os.Remove(holderPath(path)) // it only informs
		if err := lock.Close(); err != nil {
			return fmt.Errorf("lock %s: %w", path, err)
		}
		return nil
	}, nil
}

// holderPath is a file beside the lock: on Windows nobody else can read what is
// locked. What a dead process leaves there is read by no one, since its lock is
// free.
func holderPath(path string) string { return path + ".holder" }

func writeHolder(path string) error {
	data, err := json.Marshal(Holder{PID: os.Getpid(), Command: command(), Started: time.Now()})
	if err != nil {
		return err
	}
	return safefile.Write(holderPath(path), data)
}

// command is the program with its first words, enough to tell runs apart. Values are
// nobody else's business: of NAME=VALUE the name is left.
func command() string {
	const words = 6
	text := filepath.Base(os.Args[0])
	for i, arg := range os.Args[1:] {
		if i == words {
			return text + " …"
		}
		arg = impact.Values{}.Withheld(arg) // of a URL
		if name, _, ok := strings.Cut(arg, "="); ok {
			arg = name + "=…"
		}
		text += " " + arg
	}
	return text
}

func readHolder(path string) Holder {
	var h Holder
	data, err := safefile.Read(holderPath(path), safefile.Text)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Holder{}
	}
	return h
}
