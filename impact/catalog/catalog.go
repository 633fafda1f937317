// Package catalog finds out which images there are at one tree: what
// rebuild.yaml, docker-bake files or compose files define, or, with none of
// them, what the Dockerfiles found seem to be.
//
// It promises that equal definitions give equal catalogs: nothing depends on
// the order of a map, and what a definition computes from time or chance is
// fixed unless Options.Volatile asks for the real values (see volatile.go).
// Definitions are evaluated by buildx's own bake package, so a target means
// here what it means to "docker buildx bake"; compose projects are resolved by
// compose-go and then worded as bake would word them.
//
// It reads definitions only. Whether a Dockerfile exists, what it reads and
// which image is built on which is not its concern, but where Dockerfiles are all
// there is to go by: then what they read and name is the definition.
package catalog

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"

	"rebuild/impact"
	"rebuild/impact/budget"
)

// Files reads the files of a tree by slash path from its root. The error is
// fs.ErrNotExist when there is none, fs.ErrInvalid for what is no regular file.
type Files interface {
	ReadFile(ctx context.Context, path string) ([]byte, error)
}

// Options say where and how definitions are read. The zero value finds them in
// the root of the tree.
type Options struct {
	// Root is the absolute path of the tree's root. Without it a path that
	// leaves the tree is an error.
	Root string

	// Dir is the folder that the command started in, a slash path from the
	// root; "" is the root.
	Dir string

	// Files are the definitions to read instead of those found: slash paths
	// from the root, or absolute ones. What lies in the tree is read from
	// there, the rest by Read.
	Files []string

	// Read reads a file outside the tree by its absolute path; nil is
	// safefile.Read.
	Read func(path string) ([]byte, error)

	// Allowed gives the privileges that the user gave the definitions of this repository, in
	// the grammar of Privileges; nil gives none. It is asked when one of them names a file
	// outside of the repository: what the user did not name is not read as a definition
	// without "fs.read=PATH", and is an *OutsideError.
	Allowed func() ([]string, error)

	// Set are overrides as bake's --set takes them: "app.args.X=y".
	Set []string

	// BuildArgs are given to every image, over what it defines itself.
	BuildArgs map[string]string

	// Vars are variables of bake files, over what Env says of them, as bake's
	// --var takes them.
	Vars map[string]string

	// Env looks up the variables of a definition; nil is os.LookupEnv. What
	// the process has in its environment and Env denies is still seen by bake,
	// which looks there by itself.
	Env func(string) (string, bool)

	// Volatile asks for the real values of timestamp() and the like, for a
	// build. Catalogs that are to be compared are read without.
	Volatile bool

	// ShowValues has texts for people hold values that do not stand in the repository: those
	// of variables and of the command line. Secrets are never shown.
	ShowValues bool

	given *given // of a Load

	// Memo spares the evaluation of a definition that was evaluated before.
	Memo *Memo
}

// ErrNoDefinition is what an error of Load is (errors.Is) when the tree has no
// definition, or not the one asked for.
var ErrNoDefinition = errors.New("no definition found")

// Load reads the catalog of a tree. A definition that cannot be read gives an
// *impact.Fault (errors.As).
func Load(ctx context.Context, files Files, opt Options) (impact.Catalog, error) {
	if err := checkVariables(opt); err != nil {
		return impact.Catalog{}, err
	}
	opt.given = &given{}
	opt.given.options(opt)
	s, err := newSearch(files, opt)
	if err != nil {
		return impact.Catalog{}, err
	}
	cat, err := budget.Within(ctx, &s.budget, func() (impact.Catalog, error) {
		_, cat, err := s.first(ctx)
		cat.Warnings = slices.Concat(s.left, cat.Warnings)
		return cat, err
	})
	var over *budget.Exceeded
	if errors.As(err, &over) {
		err = tooCostly(s.reading(), over)
	}
	return opt.withheld(cat, opt.unshown(err))
}

// assemble makes the catalog of what was found.
func assemble(ctx context.Context, found *finding, opt Options, p paths) (impact.Catalog, error) {
	var cat impact.Catalog
	ev, err := evaluate(ctx, found, opt)
	if err != nil {
		return cat, err
	}
	if err := ev.images(&cat, found, p, opt); err != nil {
		return cat, err
	}
	if found.doc != nil {
		if err := arrange(&cat, found.doc); err != nil {
			return cat, err
		}
	}
	if found.found != nil {
		found.found.describe(&cat)
	}
	for i := range cat.Images {
		cat.Images[i].Args = withArgs(cat.Images[i].Args, opt)
	}
	cat.Values = impact.NewValues(opt.given.all(), opt.ShowValues) // for a memo, too
	cat.Warnings = slices.Concat(found.warnings, unservedVariables(opt), cat.Warnings)
	cat.Warnings = append(cat.Warnings, sharedTags(wanted(cat, nil).Images)...)
	return cat, nil
}

// withArgs adds the arguments that the caller gives every image. As in bake,
// SOURCE_DATE_EPOCH of the environment goes to each image that does not set it
// (buildx commands/bake.go).
func withArgs(args map[string]string, opt Options) map[string]string {
	const epoch = "SOURCE_DATE_EPOCH"
	when, _ := opt.lookup(epoch)
	if when == "" && len(opt.BuildArgs) == 0 {
		return args
	}
	out := map[string]string{}
	if when != "" {
		opt.given.note(epoch, when)
		out[epoch] = when
	}
	maps.Copy(out, args)
	maps.Copy(out, opt.BuildArgs)
	return out
}

func (o Options) lookup(name string) (string, bool) {
	if o.Env != nil {
		return o.Env(name)
	}
	return os.LookupEnv(name)
}

// arrange applies what rebuild.yaml adds to the images: phases, derived
// images, arguments that are left out of the comparison.
func arrange(cat *impact.Catalog, doc *document) error {
	if err := declare(cat, doc); err != nil {
		return err
	}
	leaveOut(cat, doc)
	for i := range cat.Images {
		im := &cat.Images[i]
		im.IgnoreArgs = doc.ignoreArgs // of all images, and never changed
		im.OnSuccess = doc.commandFor(im.Name)
	}
	return nil
}
