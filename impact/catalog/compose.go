package catalog

import (
	"context"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// The files that compose reads by default, in the order of its preference: of
// each list the first that is there (compose-go cli.DefaultFileNames and
// DefaultOverrideFileNames). Bake reads all of the first, and none of the second.
var (
	composeNames         = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	composeOverrideNames = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// findCompose reads what "docker compose" would read in a folder; nil when
// there is nothing.
func findCompose(ctx context.Context, r *reader, dir string, opt Options) (*finding, error) {
	env, err := composeEnvironment(ctx, r, dir, opt)
	if err != nil {
		return nil, err
	}
	if list, ok := env.value("COMPOSE_FILE"); ok && list != "" {
		files, err := composeFiles(ctx, r, dir, list, env)
		if err != nil {
			return nil, err
		}
		return foundCompose(ctx, r, files, dir, env)
	}
	main, err := r.tryAll(ctx, dir, composeNames)
	if err != nil || main == nil {
		return nil, err
	}
	override, err := r.tryAll(ctx, dir, composeOverrideNames)
	if err != nil {
		return nil, err
	}
	files := slices.Concat(main[:1], override[:min(1, len(override))])
	f, err := foundCompose(ctx, r, files, dir, env)
	if err != nil {
		return nil, err
	}
	f.warn(candidates(main), candidates(override))
	return f, nil
}

// foundCompose is composeFinding for files that nobody named. What is wrong with one that
// only runs images (a variable that only its user sets, say) is no matter of a build.
func foundCompose(ctx context.Context, r *reader, files []source, dir string, env *environment) (*finding, error) {
	f, err := composeFinding(ctx, r, files, dir, env)
	if err != nil && ctx.Err() == nil && !slices.ContainsFunc(files, mayBuild) {
		err = &imageless{path: files[0].path, why: "it has no build, and cannot be read: " + cause(err), err: err}
	}
	return f, err
}

var buildWord = regexp.MustCompile(`\bbuild\b`)

// mayBuild tells whether a compose file's text may define an image.
func mayBuild(src source) bool { return buildWord.Match(src.data) || refersToOthers(src) }

// composeFiles reads the files that COMPOSE_FILE lists.
func composeFiles(ctx context.Context, r *reader, dir, list string, env *environment) ([]source, error) {
	by := path.Join(dir, ".env")
	if _, ok := env.lookup("COMPOSE_FILE"); ok {
		by = ""
	}
	sep, ok := env.value("COMPOSE_PATH_SEPARATOR")
	if !ok || sep == "" {
		sep = ":"
		if runtime.GOOS == "windows" {
			sep = ";"
		}
	}
	var files []source
	for name := range strings.SplitSeq(list, sep) {
		src, err := r.listed(ctx, dir, name, "COMPOSE_FILE", by)
		if err != nil {
			return nil, namedAt(err, by, 0)
		}
		files = append(files, src)
	}
	return files, nil
}

// composeFinding makes the finding of compose files that no bake file goes
// with. dir is the folder of the first.
func composeFinding(ctx context.Context, r *reader, files []source, dir string, env *environment) (*finding, error) {
	p, err := readProject(ctx, r, files, dir, env)
	if err != nil {
		return nil, err
	}
	doc, err := p.extension()
	if err != nil {
		return nil, err
	}
	return &finding{project: p, doc: doc, docDir: dir, base: ".", warnings: p.warnings}, nil
}

// allCompose tells whether the files are compose files without a bake file.
func allCompose(files []source) bool {
	return len(files) > 0 && !slices.ContainsFunc(files, func(s source) bool { return kindOf(s) != composeKind })
}

// candidates words a choice among files of one rank, "" when there was none.
func candidates(files []source) string {
	if len(files) < 2 {
		return ""
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = path.Base(f.path)
	}
	return files[0].path + " is read, not " + strings.Join(names[1:], ", ")
}
