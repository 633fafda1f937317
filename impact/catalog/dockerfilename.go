package catalog

import (
	"path"
	"slices"
	"strings"
)

// fileRole is what a file's name makes of it.
type fileRole int

const (
	noDockerfile fileRole = iota
	isDockerfile
	isTemplate // of a Dockerfile, by its extension
)

// templateExtensions end the names of files that a program makes Dockerfiles of.
var templateExtensions = []string{".j2", ".jinja", ".jinja2", ".in", ".template", ".tmpl", ".tpl", ".tera", ".erb", ".mustache", ".m4", ".gotmpl"}

// otherExtensions end the names of files about Dockerfiles, and of copies.
var otherExtensions = []string{
	".dockerignore", ".md", ".txt", ".rst", ".adoc", ".html", ".yml", ".yaml", ".json", ".toml", ".sh", ".ps1", ".py", ".go", ".js", ".ts", ".rb", ".rs",
	".java", ".lock", ".snap", ".golden", ".expected", ".diff", ".patch", ".sha256", ".sig", ".bak", ".orig", ".rej", ".swp", ".tmp", ".old", ".disabled",
}

// roleOf tells whether a file is called like a Dockerfile, and the variant that
// its name adds: "cuda" of Dockerfile.cuda and of cuda.Dockerfile.
func roleOf(name string) (fileRole, string) {
	lower := strings.ToLower(name)
	stem, isOne := "", false
	for _, word := range []string{"dockerfile", "containerfile"} {
		switch rest, ok := strings.CutPrefix(lower, word); {
		case ok && rest == "":
			return isDockerfile, ""
		case ok && strings.ContainsAny(rest[:1], ".-_") && len(rest) > 1:
			stem, isOne = name[len(word)+1:], true
		case strings.HasSuffix(lower, "."+word):
			stem, isOne = name[:len(name)-len(word)-1], true
		case strings.Contains(lower, word+".") && slices.Contains(templateExtensions, path.Ext(lower)):
			return isTemplate, ""
		}
	}
	ext := path.Ext(lower)
	switch {
	case !isOne:
		return noDockerfile, ""
	case slices.Contains(templateExtensions, ext) || slices.Contains(templateExtensions, "."+strings.ToLower(stem)):
		return isTemplate, ""
	case slices.Contains(otherExtensions, ext) || strings.HasSuffix(name, "~"):
		return noDockerfile, ""
	}
	return isDockerfile, stem
}

// vendored are folders that hold what others wrote, or what is there to be
// parsed by tests.
var vendored = []string{"node_modules", "bower_components", "third_party", "third-party", "site-packages", "__fixtures__", "fixtures"}

// besides are folders whose Dockerfiles make images that are not what the repository is
// there for.
var besides = []string{"test", "tests", "testdata", "example", "examples", "vendor", ".devcontainer"}
