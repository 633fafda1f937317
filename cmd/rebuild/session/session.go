// Package session is one repository at work: it turns a Query into a plan, and a plan
// into a run. It knows what the engine holds, what was built before, and who has the
// lock.
//
// It promises that a query is answered by one reading of each file, that nothing is asked
// of an engine that need not be, and that Close ends all that a session began.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// Session is one repository, and one engine, at work. Its methods are called by one
// goroutine at a time, but for those that say otherwise.
type Session struct {
	Repo  *tree.Repository // nil outside git
	Root  string           // absolute path of the tree's root
	Dir   string           // folder that the session started in, a slash path from the root
	State string           // folder of records, caches and locks

	place  Place
	warn   func(string)
	waits  func()
	large  func(path string, size int64)
	secret func([]impact.Value)
	caches Caches
	engine *engine // nil: none is used
	reads  reads
}

// Use says what a session needs of its engine.
type Use int

// Uses of an engine.
const (
	NoEngine   Use = iota // none: not even its records
	Remembered            // its records, and answers where they know nothing
	Asked                 // also what it holds now, so that the session begins to ask at once
)

// Options are how a session works. The zero value is for one that lives for one plan.
type Options struct {
	Large func(path string, size int64) // is told of a file that takes long to read; it may be called concurrently; nil: nobody is
	Waits func()                        // is told, once, when an engine keeps the session waiting; nil: nobody is
	Warn  func(string)                  // is told what the user should know; it may be called concurrently; nil: nobody is
	// Secret is told the values that no text may hold, whatever it is about; it may be called
	// concurrently; nil: nobody is.
	Secret func([]impact.Value)
	Caches *Caches // what was read by sessions before; nil: nothing
}

// Caches keep what is read of definitions, of Dockerfiles and of git's index, for one
// session or for several after each other.
type Caches struct {
	definitions *catalog.Memo // both sides of a plan mostly share their definition
	convert     impact.Convert
	index       *tree.IndexMemo
}

// NewCaches makes empty ones.
func NewCaches() *Caches {
	return &Caches{definitions: &catalog.Memo{}, convert: impact.Remember(llb.Convert), index: &tree.IndexMemo{}}
}

// Open opens the repository that the place lies in; a folder outside git serves too.
// The caller closes the session.
func Open(ctx context.Context, place Place, use Use, o Options) (*Session, error) {
	s := &Session{place: place, warn: o.Warn, waits: o.Waits, large: o.Large, secret: o.Secret}
	if s.warn == nil {
		s.warn = func(string) {}
	}
	if s.waits == nil {
		s.waits = func() {}
	}
	if s.secret == nil {
		s.secret = func([]impact.Value) {}
	}
	if o.Caches == nil {
		o.Caches = NewCaches()
	}
	s.caches = *o.Caches
	if err := s.connect(ctx, use); err != nil { // first: its answers take longer than all else
		return nil, err
	}
	err := s.open(ctx)
	if err == nil {
		s.openRecords(ctx)
		return s, nil
	}
	s.Close()
	return nil, err
}

func (s *Session) open(ctx context.Context) error {
	start, err := StartFolder(s.place.Dir)
	if err != nil {
		return err
	}
	repo, err := tree.Open(ctx, start)
	switch {
	case err == nil:
		s.Repo, s.Root, s.Dir = repo, repo.Root, repo.Prefix
		s.State = filepath.Join(repo.CommonDir, "rebuild")
	case errors.Is(err, tree.ErrNotRepository):
		s.Root, s.Dir = start, "."
		s.State, err = userState(start)
	}
	return err
}

// Close ends what the session began: questions to the engine, and the git commands that
// serve it.
func (s *Session) Close() {
	if s.engine != nil {
		s.engine.close()
	}
	if s.Repo == nil {
		return
	}
	if err := s.Repo.Close(); err != nil {
		s.warn(err.Error())
	}
}

func (s *Session) warnAll(warnings []string) {
	for _, w := range warnings {
		s.warn(w)
	}
}

// StartFolder is where a folder leads, without symlinks.
func StartFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("-C %s: %w", dir, errors.Unwrap(err))
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("-C %s: not a folder", dir)
	}
	return filepath.EvalSymlinks(abs)
}

// userState is where a folder outside git has its records, by the XDG base
// directory specification.
func userState(root string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) { // the specification has relative ones ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("there is no place for records outside git: %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	id := impact.DigestOf("folder", root)
	return filepath.Join(base, "rebuild", strings.TrimPrefix(string(id), "sha256:")[:16]), nil
}
