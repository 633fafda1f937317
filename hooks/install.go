package hooks

import (
	"context"
	"os"
)

// ByHandError says that the user has to add the hook himself, and which line to
// which file.
type ByHandError struct {
	Cause string
	File  string
	Line  string
}

// Error implements error.
func (e *ByHandError) Error() string { return e.Cause }

// Install puts the hook in its place: the hook file or, when that would be a part of
// the working tree or viaConfig says so, git's configuration. changed is false when
// it was there already. The error is a *BothError or a *ByHandError when something
// stands in the way.
func (p *Place) Install(ctx context.Context, c Command, viaConfig bool) (changed bool, err error) {
	if !p.InTree() && !viaConfig {
		if changed, err = p.writeFile(c); err != nil {
			return false, err
		}
		removed, err := p.unconfigure(ctx) // or it would run twice
		return changed || removed, err
	}
	if p.InTree() {
		if text, err := readHook(p.userFile()); err != nil || callsUs(text) {
			return false, err
		}
	}
	takes, err := p.takesConfigured(ctx)
	switch {
	case err != nil:
		return false, err
	case !takes && p.InTree():
		return false, &ByHandError{p.Dir + " is a part of the working tree, so no hook is written there", p.userFile(), c.Line()}
	case !takes:
		return false, &ByHandError{"this git takes no hooks from its configuration, 2.54 and later do", p.File(), c.Line()}
	}
	if changed, err = p.configure(ctx, c); err != nil || p.InTree() {
		return changed, err
	}
	removed, err := p.removeFile()
	return changed || removed, err
}

// Uninstall takes the hook away, and puts one that it kept back. A line that the
// user added stays. changed is false when there was nothing of ours.
func (p *Place) Uninstall(ctx context.Context) (changed bool, err error) {
	if changed, err = p.unconfigure(ctx); err != nil || p.InTree() {
		return changed, err
	}
	removed, err := p.removeFile()
	return changed || removed, err
}

// State is how things stand with the hook.
type State struct {
	File       string // the hook file, when it is ours
	ByUser     string // a hook file to which the user added our line
	Configured bool   // git's configuration runs us
	Kept       string // the hook of somebody else that runs first
	Foreign    string // a hook file that does not run us
}

// State looks at how things stand.
func (p *Place) State(ctx context.Context) (State, error) {
	var s State
	command, err := p.configured(ctx)
	if err != nil {
		return s, err
	}
	s.Configured = command != ""
	file := p.File()
	if p.InTree() {
		file = p.userFile()
	}
	text, err := readHook(file)
	switch {
	case err != nil:
		return s, err
	case isOurs(text):
		s.File = file
		if _, err := os.Lstat(p.Kept()); err == nil {
			s.Kept = p.Kept()
		}
	case callsUs(text):
		s.ByUser = file
	case text != nil:
		s.Foreign = file
	}
	return s, nil
}
