package recording

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// aside is a call of docker that does not go by the PATH, so that the stand-in is not met.
// A login shell sets a PATH of its own.
var aside = regexp.MustCompile(`(?:^|[\s"'` + "`" + `=(;&|])((?:/[\w.+-]+)+/(?:docker|podman|nerdctl|docker-compose|buildx)\b|sudo\s+(?:-\S+\s+)*(?:docker|podman|nerdctl|docker-compose)\b|(?:ba|z|k|da)?sh\s+(?:-\S+\s+)*(?:-[a-z]*l[a-z]*|--login)\b)`)

// recipes are the files that a tool reads unasked.
var recipes = map[string][]string{
	"make": {"GNUmakefile", "makefile", "Makefile"}, "gmake": {"GNUmakefile", "makefile", "Makefile"},
	"just": {"justfile", "Justfile", ".justfile"}, "task": {"Taskfile.yml", "Taskfile.yaml", "taskfile.yml"},
	"npm": {"package.json"}, "yarn": {"package.json"}, "pnpm": {"package.json"}, "rake": {"Rakefile"},
}

// maxScript bounds what is searched of a file, in bytes.
const maxScript = 1 << 20

// Aside lists the places in the script where docker is called past the PATH: by its whole
// path, or through sudo, which has a PATH of its own. What the script calls is not searched
// further.
func (s Script) Aside() []string {
	var out []string
	names := slices.Concat(s.Command, recipes[filepath.Base(s.Command[0])])
	for _, name := range names {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Dir, file)
		}
		fi, err := os.Stat(file)
		if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxScript {
			if strings.ContainsAny(name, " \n") { // sh -c '...'
				out = append(out, calls(name, "the command")...)
			}
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil || strings.ContainsRune(string(data), 0) {
			continue
		}
		out = append(out, calls(string(data), name)...)
	}
	return out
}

func calls(text, where string) []string {
	var out []string
	line := 0
	for l := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(l), "#") {
			continue
		}
		if m := aside.FindStringSubmatch(l); m != nil {
			out = append(out, fmt.Sprintf("%s:%d calls %s", where, line, m[1]))
		}
	}
	return out
}
