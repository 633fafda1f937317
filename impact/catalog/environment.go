package catalog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"rebuild/impact"
)

// environment is where the variables of compose files come from: that of the
// process, then the environment files of the project.
type environment struct {
	lookup func(string) (string, bool)
	files  map[string]string // what the environment files say
	read   []string          // their paths
	given  *given            // takes what of it is used
}

// composeEnvironment reads the environment files that "docker compose" reads for a
// project in a folder: those that COMPOSE_ENV_FILES lists, which count from the folder
// that the command started in, else its .env, unless COMPOSE_DISABLE_ENV_FILE says not
// to (compose cmd/compose defaultStringArrayVar, compose-go cli.WithEnvFiles).
func composeEnvironment(ctx context.Context, r *reader, dir string, opt Options) (*environment, error) {
	const disable = "COMPOSE_DISABLE_ENV_FILE"
	env := &environment{lookup: opt.lookup, given: opt.given}
	list, _ := opt.lookup("COMPOSE_ENV_FILES")
	listed := strings.FieldsFunc(list, func(c rune) bool { return c == ',' })
	for _, name := range listed {
		at, err := r.paths.resolve(opt.Dir, name)
		if err != nil {
			return nil, err
		}
		r.name(at)
		src, ok, err := r.tryEnvFile(ctx, at)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &impact.Fault{Path: at, Cause: "no such file, but COMPOSE_ENV_FILES names it", Hint: "unset COMPOSE_ENV_FILES, or name files that are there"}
		}
		if err := env.take(src); err != nil {
			return nil, err
		}
	}
	if len(listed) > 0 {
		return env, nil
	}
	if v, ok := opt.lookup(disable); ok {
		disabled, err := strconv.ParseBool(v)
		if err != nil {
			return nil, &impact.Fault{Cause: fmt.Sprintf("%s=%s: neither true nor false", disable, v), Hint: "unset " + disable}
		}
		if disabled {
			return env, nil
		}
	}
	return env, env.takeDotenv(ctx, r, dir)
}

// bakeEnvironment reads what bake reads for compose files: the variables given, those of
// the process, the .env of a folder, whatever compose's own variables say (buildx
// bake.composeEnv).
func bakeEnvironment(ctx context.Context, r *reader, dir string, opt Options) (*environment, error) {
	env := &environment{lookup: opt.lookup, given: opt.given}
	v, _ := opt.lookup("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP")
	if disabled, err := strconv.ParseBool(v); err == nil && disabled {
		env.lookup = func(string) (string, bool) { return "", false }
	}
	if process := env.lookup; len(opt.Vars) > 0 {
		env.lookup = func(name string) (string, bool) {
			if v, ok := opt.Vars[name]; ok {
				return v, true
			}
			return process(name)
		}
	}
	return env, env.takeDotenv(ctx, r, dir)
}

func (e *environment) takeDotenv(ctx context.Context, r *reader, dir string) error {
	src, ok, err := r.tryDotenv(ctx, dir)
	if err != nil || !ok {
		return err
	}
	return e.take(src)
}

// take takes up one more environment file, whose values go before those of the
// files before it.
func (e *environment) take(src source) error {
	vars, err := dotenv.UnmarshalBytesWithLookup(bytes.TrimPrefix(src.data, byteOrderMark), e.value)
	if err != nil {
		return dotenvFault(src, err)
	}
	if e.files == nil {
		e.files = map[string]string{}
	}
	maps.Copy(e.files, vars)
	e.read = append(e.read, src.path)
	return nil
}

// byteOrderMark is what some editors begin a file with; compose-go skips it where it
// reads a file by itself.
var byteOrderMark = []byte("\ufeff")

// tryDotenv reads a folder's .env file.
func (r *reader) tryDotenv(ctx context.Context, dir string) (source, bool, error) {
	return r.tryEnvFile(ctx, path.Join(dir, ".env"))
}

// tryEnvFile reads an environment file. One that git ignores belongs to the
// checkout, as the environment of the process does: a commit that does not hold
// it, and whose own ignore files say so, is read with that on the disk. Else each
// plan against a commit would see every value of it change.
func (r *reader) tryEnvFile(ctx context.Context, name string) (source, bool, error) {
	src, ok, err := r.try(ctx, name)
	if ok || err != nil || isAbs(name) || r.paths.root == "" {
		return src, ok, err
	}
	for at := range upward(path.Dir(name)) {
		ignore, err := r.files.ReadFile(ctx, path.Join(at, ".gitignore"))
		if err == nil && ignores(ignore, path.Base(name)) {
			return r.try(ctx, path.Join(r.paths.root, name))
		}
	}
	return source{}, false, nil
}

// ignores tells whether an ignore file of git's ignores a file by its name.
func ignores(text []byte, name string) bool {
	ignored := false
	for line := range bytes.Lines(text) {
		pattern, kept := strings.CutPrefix(strings.TrimSpace(string(line)), "!")
		pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "**"), "/")
		if ok, err := path.Match(pattern, name); err == nil && ok {
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
	v, ok := e.files[name]
	return v, ok
}

// used is value for what becomes a part of the definition.
func (e *environment) used(name string) (string, bool) {
	v, ok := e.value(name)
	if ok {
		e.given.note(name, v)
	}
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

// dotenvText is what compose-go's errors end with: a line of the file, or a value
// (dotenv/parser.go).
var dotenvText = regexp.MustCompile(`(?s)(unexpected character .* in variable name|unterminated quoted value) .*`)

var dotenvPlace = regexp.MustCompile(`line (\d+):? ?`)

func dotenvFault(src source, err error) *impact.Fault {
	f := &impact.Fault{Path: src.path, Cause: dotenvText.ReplaceAllString(message(err), "$1")}
	if m := dotenvPlace.FindStringSubmatch(f.Cause); m != nil {
		fmt.Sscan(m[1], &f.Line)
	}
	return f
}
