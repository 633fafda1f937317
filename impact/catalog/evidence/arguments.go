package evidence

import (
	"path"
	"slices"
	"strings"

	"rebuild/impact/catalog/commandline"
)

// word is one argument. What only a run tells stands in it as unknown.
type word string

// unknown stands for a part of a word that only a run tells: no command line holds it.
const unknown = "\x00"

func (w word) known() bool { return !strings.Contains(string(w), unknown) }

// programs are those whose builds are read, with the flags that come before the verb and
// those of a build.
var programs = map[string]struct{ globals, build *commandline.Set }{
	"docker":  {commandline.DockerGlobals, commandline.BuildFlags},
	"podman":  {commandline.PodmanGlobals, commandline.PodmanBuildFlags},
	"buildah": {commandline.PodmanGlobals, commandline.PodmanBuildFlags},
	"nerdctl": {commandline.NerdctlGlobals, commandline.NerdctlBuildFlags},
}

// command finds the build that a command line asks for. bake are the files that it hands to
// bake; ok is false for all else, and for what is not understood: builds tells whether that
// is a build.
func command(words []word) (b Build, bake []string, builds, ok bool) {
	words = unwrapped(words)
	if len(words) < 2 || !words[0].known() {
		return b, nil, false, false
	}
	program, ok := programs[path.Base(string(words[0]))]
	if !ok {
		return b, nil, false, false
	}
	verb, rest, ok := afterFlags(program.globals, words[1:])
	if ok && slices.Contains([]string{"buildx", "image", "builder"}, verb) {
		verb, rest, ok = afterFlags(commandline.BuildxGlobals, rest)
	}
	if !ok {
		return b, nil, false, false
	}
	switch verb {
	case "build", "b", "bud":
		b, ok = arguments(program.build, rest)
		return b, nil, true, ok
	case "bake":
		flags, _, err := commandline.BakeFlags.Parse(texts(rest), false)
		for _, name := range commandline.All(flags, "file") {
			if word(name).known() {
				bake = append(bake, name)
			}
		}
		return b, bake, false, err == nil
	}
	return b, nil, false, false
}

// afterFlags gives the verb that follows flags, and what follows it.
func afterFlags(set *commandline.Set, words []word) (verb string, rest []word, ok bool) {
	_, left, err := set.Parse(texts(words), true)
	if err != nil || len(left) == 0 || !word(left[0]).known() {
		return "", nil, false
	}
	return left[0], words[len(words)-len(left)+1:], true
}

func texts(words []word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}

// unwrapped takes away what runs a command: sudo, env and assignments.
func unwrapped(words []word) []word {
	for len(words) > 1 {
		switch w := string(words[0]); {
		case slices.Contains([]string{"sudo", "env", "exec", "time", "command", "nice"}, w):
		case strings.Contains(w, "=") && !strings.HasPrefix(w, "-"):
		case strings.HasPrefix(w, "-"): // of one of those: its value, if it has one, is not known
			return nil
		default:
			return words
		}
		words = words[1:]
	}
	return words
}

// arguments reads those of a build. It is false when what they mean is not known, or when
// the context comes from elsewhere.
func arguments(set *commandline.Set, words []word) (b Build, ok bool) {
	flags, rest, err := set.Parse(texts(words), false)
	if err != nil || len(rest) != 1 || !word(rest[0]).known() || isElsewhere(rest[0]) {
		return b, false
	}
	b.Args = map[string]string{}
	file := ""
	for _, f := range flags {
		known := word(f.Value).known()
		switch {
		case !set.Knows(f.Name), f.Name == "build-context":
			return b, false
		case f.Name == "file":
			file = f.Value
		case f.Name == "target" && !known:
			return b, false
		case f.Name == "target":
			b.Target = f.Value
		case f.Name == "tag" && known:
			b.Tags = append(b.Tags, f.Value)
		case f.Name == "build-arg":
			if k, v, ok := strings.Cut(f.Value, "="); ok && known {
				b.Args[k] = v
			} else {
				b.Computed = true
			}
		}
	}
	if file == "-" || !word(file).known() {
		return b, false
	}
	b.Context, b.Dockerfile = rest[0], file
	if b.Dockerfile == "" {
		b.Dockerfile, b.InContext = "Dockerfile", true
	}
	return b, true
}

// isElsewhere tells whether a context is no folder of the tree.
func isElsewhere(context string) bool {
	return context == "-" || strings.HasPrefix(context, "/") || strings.Contains(context, "://") || strings.HasPrefix(context, "git@") || strings.HasPrefix(context, "github.com/")
}
