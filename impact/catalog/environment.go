package catalog

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"rebuild/impact"
)

// environment is where the variables of compose files come from: that of the
// process, then the .env file of the project's folder.
type environment struct {
	lookup func(string) (string, bool)
	dotenv map[string]string
}

// readEnvironment reads the .env file of a folder.
func readEnvironment(ctx context.Context, r *reader, dir string, opt Options) (*environment, error) {
	env := &environment{lookup: opt.lookup}
	src, ok, err := r.tryDotenv(ctx, dir)
	if err != nil || !ok {
		return env, err
	}
	env.dotenv, err = dotenv.UnmarshalBytesWithLookup(src.data, opt.lookup)
	if err != nil {
		return nil, dotenvFault(src, err)
	}
	return env, nil
}

// tryDotenv reads a folder's .env file. One that git ignores belongs to the
// checkout, as the environment of the process does: a commit that does not hold
// it, and whose own ignore files say so, is read with that on the disk. Else each
// plan against a commit would see every value of it change.
func (r *reader) tryDotenv(ctx context.Context, dir string) (source, bool, error) {
	src, ok, err := r.try(ctx, path.Join(dir, ".env"))
	if ok || err != nil || isAbs(dir) || r.paths.root == "" {
		return src, ok, err
	}
	for at := range upward(dir) {
		ignore, err := r.files.ReadFile(ctx, path.Join(at, ".gitignore"))
		if err == nil && ignoresDotenv(ignore) {
			return r.try(ctx, path.Join(r.paths.root, dir, ".env"))
		}
	}
	return source{}, false, nil
}

func ignoresDotenv(text []byte) bool {
	ignored := false
	for line := range bytes.Lines(text) {
		pattern, kept := strings.CutPrefix(strings.TrimSpace(string(line)), "!")
		pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "**"), "/")
		if ok, err := path.Match(pattern, ".env"); err == nil && ok {
			ignored = !kept
		}
	}
	return ignored
}

// value looks up a variable; what the process has comes first, as in compose.
func (e *environment) value(name string) (string, bool) {
	if v, ok := e.lookup(name); ok {
		return v, true
	}
	v, ok := e.dotenv[name]
	return v, ok
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// mentioned gives the variables that a text can be about: each word of it that
// has a value. Compose takes an environment as a map, and ours is only asked.
func (e *environment) mentioned(into map[string]string, text []byte) {
	for _, name := range word.FindAll(text, -1) {
		if _, ok := into[string(name)]; ok {
			continue
		}
		if v, ok := e.value(string(name)); ok {
			into[string(name)] = v
		}
	}
}

var dotenvPlace = regexp.MustCompile(`line (\d+):? ?`)

func dotenvFault(src source, err error) *impact.Fault {
	f := &impact.Fault{Path: src.path, Cause: message(err)}
	if m := dotenvPlace.FindStringSubmatch(f.Cause); m != nil {
		fmt.Sscan(m[1], &f.Line)
	}
	return f
}
