// Package evidence reads how a repository builds its images out of what it does so with:
// workflows, CI files, Makefiles, shell scripts, Skaffold and development containers.
//
// Nothing is run, and only literal words count: of a word that holds a variable nothing is
// known. A command that is not understood whole gives nothing.
package evidence

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Build is one build that a file asks for. Paths are from the root of the tree; "" is what the
// file does not tell.
type Build struct {
	Where      string   // "path:line"
	Dirs       []string // the folders that it may run in, the likeliest first
	Context    string   // from one of Dirs
	Dockerfile string   // from one of Dirs, or, when InContext, from the context
	InContext  bool
	Target     string
	Tags       []string
	Args       map[string]string
	Computed   bool              // it has arguments, too, whose values only a run tells
	Requires   map[string]string // build argument -> tag of another build, which it is given
}

// Found is what one file tells.
type Found struct {
	Builds      []Build
	Definitions []string // files that it hands to bake, from the root of the tree

	// Unread is the place of the first build that only a run tells of, "path:line", and Run
	// the command that runs it; "" when there is none.
	Unread, Run string
}

// MaxSize is up to how many bytes a file is read. None that people write is larger.
const MaxSize = 1 << 20

// Reads tells whether a file of that path may tell of builds.
func Reads(name string) bool { return parserOf(name) != nil }

// Of reads a file. What cannot be parsed tells nothing.
func Of(name string, text []byte) Found {
	parse := parserOf(name)
	if parse == nil || len(text) > MaxSize {
		return Found{}
	}
	return parse(name, text)
}

func parserOf(name string) func(string, []byte) Found {
	ext := path.Ext(name)
	switch ext { // most files are decided here
	case "", ".yml", ".yaml", ".mk", ".sh", ".bash", ".json":
	default:
		return nil
	}
	base, dir := path.Base(name), path.Dir(name)
	isYAML := ext == ".yml" || ext == ".yaml"
	switch {
	case isYAML && dir == ".github/workflows":
		return workflow
	case base == ".gitlab-ci.yml" || isYAML && (strings.HasPrefix(name, ".gitlab/") || strings.HasSuffix(base, ".gitlab-ci.yml")):
		return gitLab
	case base == "Makefile" || base == "makefile" || base == "GNUmakefile" || ext == ".mk" && base != ".mk":
		return makefile
	case ext == ".sh" || ext == ".bash":
		return script
	case base == "skaffold.yaml" || base == "skaffold.yml":
		return skaffold
	case base == "devcontainer.json" || base == ".devcontainer.json":
		return devContainer
	case ext == "" && slices.Contains(scriptFolders, path.Base(dir)) && strings.HasPrefix(base, "build"):
		return script
	}
	return nil
}

// scriptFolders are where scripts lie whose names say nothing of their language.
var scriptFolders = []string{".", "bin", "scripts", "script", "ci", "tools", "hack", "docker"}

// speaks tells whether a text names any of the programs that build images.
func speaks(text []byte) bool {
	for name := range programs {
		if bytes.Contains(text, []byte(name)) {
			return true
		}
	}
	return false
}

// join puts a path under a folder of the tree; "" when it leads out of it.
func join(dir, name string) string {
	out := path.Join(dir, name)
	if path.IsAbs(name) || out == ".." || strings.HasPrefix(out, "../") {
		return ""
	}
	return out
}
