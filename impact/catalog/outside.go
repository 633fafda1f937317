package catalog

import (
	"errors"
	"maps"
	"path/filepath"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"

	"rebuild/impact"
)

// outside decides which files outside of the tree are read as definitions. Those that the
// user named are, and so is what they name in turn. Once a file of the repository was read,
// what is named may be its word: a clone could name any file that the user can read, and
// what such a file says would go to a build, or be printed. So it needs consent.
type outside struct {
	allowed func() ([]string, error) // privileges that the user gave the definitions; nil: none
	users   map[string]bool          // named by the user, or by what he named
	heard   bool                     // a file of the repository was read
}

// OutsideError says that a definition of the repository names a file outside of it, without
// consent. It is an *impact.Fault (errors.As), and holds nothing of the file.
type OutsideError struct {
	File  string // absolute, a slash path
	fault *impact.Fault
}

// Error implements error.
func (e *OutsideError) Error() string { return e.fault.Error() }

// Unwrap gives the fault.
func (e *OutsideError) Unwrap() error { return e.fault }

// Privilege is what allows it, as Privileges words it.
func (e *OutsideError) Privilege() string {
	return string(bake.EntitlementKeyFSRead) + "=" + filepath.FromSlash(e.File)
}

// at is the error with the place that names the file.
func (e *OutsideError) at(by string, line int) *OutsideError {
	return newOutsideError("names", e.File, by, line)
}

func newOutsideError(does, file, by string, line int) *OutsideError {
	e := &OutsideError{File: file}
	e.fault = &impact.Fault{
		Path: by, Line: line,
		Cause: "it " + does + " " + file + ", which lies outside of the repository and is not read before that was allowed",
		Hint:  "rebuild allow, or give this run --allow " + impact.ShellWord(e.Privilege()),
	}
	return e
}

// namedAt gives an error that is an OutsideError the place that names the file.
func namedAt(err error, by string, line int) error {
	var e *OutsideError
	if errors.As(err, &e) && e.fault.Path == "" && by != "" {
		return e.at(by, line)
	}
	return err
}

// leadsTo gives an error that is an OutsideError the link that leads to the file, if there
// is one.
func leadsTo(err error, name string, link *impact.LinkError) error {
	var e *OutsideError
	if link != nil && errors.As(err, &e) {
		return newOutsideError("leads to", e.File, name, 0)
	}
	return err
}

// name notes that the user named a file.
func (o *outside) name(file string) {
	users := maps.Clone(o.users) // those who only try share it
	if users == nil {
		users = map[string]bool{}
	}
	users[file] = true
	o.users = users
}

// granted tells whether a file outside may be read as a definition: nil, or why not.
func (o *outside) granted(file string, p paths) error {
	if o.users[file] {
		return nil
	}
	if len(o.users) > 0 && !o.heard {
		o.name(file)
		return nil
	}
	refused := newOutsideError("names", file, "", 0)
	if in := p.inTree(file); in != file { // read from the disk, and not outside unless a link leads there
		name := filepath.FromSlash(file)
		real, err := filepath.EvalSymlinks(name)
		if err != nil || real == name {
			return nil
		}
		refused = newOutsideError("leads to", filepath.ToSlash(real), in, 0)
	}
	var given []string
	if o.allowed != nil {
		var err error
		if given, err = o.allowed(); err != nil {
			return err
		}
	}
	ok, err := MayRead(file, p.root, given)
	if err == nil && !ok {
		return refused
	}
	return err
}

// MayRead tells whether privileges cover a file, an absolute slash path, or the repository
// does; bake's own code decides, which follows links.
func MayRead(file, root string, given []string) (bool, error) {
	conf, err := bake.ParseEntitlements(given)
	if err != nil {
		return false, err
	}
	if root != "" {
		conf.FSRead = append(conf.FSRead, filepath.FromSlash(root))
	}
	name := filepath.FromSlash(file)
	lacking, err := conf.Validate(map[string]build.Options{"": {Inputs: build.Inputs{ContextPath: name, DockerfilePath: name}}})
	return len(lacking.FSRead) == 0, err
}
