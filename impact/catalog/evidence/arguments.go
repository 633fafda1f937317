package evidence

import "strings"

// word is one argument; ok is false when it holds what only a run tells.
type word struct {
	text string
	ok   bool
}

// valued are the flags of docker build, docker buildx build, podman build and nerdctl build
// that take a value; the others take none.
var valued = flagSet(`add-host allow annotation attest build-arg build-context builder cache-from cache-to call
	cgroup-parent cpu-period cpu-quota cpuset-cpus cpuset-mems cpu-shares c f file format iidfile ignorefile isolation
	label layer-label logfile m memory memory-swap metadata-file network no-cache-filter o output os arch platform policy
	progress provenance resource sbom secret security-opt shm-size ssh t tag target ulimit volume v
	authfile cert-path creds env jobs j runtime userns retry retry-delay tls-verify timestamp manifest squash-all`)

var bare = flagSet(`D debug check compress disable-content-trust force-rm help h load no-cache pull push q quiet rm squash
	layers no-hosts-file all-platforms stdin omit-history tls`)

// global are the flags before the command that take a value.
var global = flagSet("context c host H config log-level l tlscacert tlscert tlskey connection url log-opt root address a namespace n data-root")

func flagSet(names string) map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		out[name] = true
	}
	return out
}

// command finds the build that a command line asks for. bake are the files that it hands to
// bake; ok is false for all else, and for what is not understood.
func command(words []word) (b Build, bake []string, ok bool) {
	words = unwrapped(words)
	if len(words) < 2 || !words[0].ok || !isTool(words[0].text) {
		return b, nil, false
	}
	words = words[1:]
	for {
		if len(words) == 0 || !words[0].ok {
			return b, nil, false
		}
		if !strings.HasPrefix(words[0].text, "-") {
			break
		}
		name, inline := flagName(words[0].text)
		words = words[1:]
		if global[name] && !inline && len(words) > 0 {
			words = words[1:]
		}
	}
	if (words[0].text == "buildx" || words[0].text == "image" || words[0].text == "builder") && len(words) > 1 {
		words = words[1:]
	}
	if !words[0].ok {
		return b, nil, false
	}
	switch words[0].text {
	case "build", "b", "bud":
		b, ok = arguments(words[1:])
		return b, nil, ok
	case "bake":
		for i, w := range words[1:] {
			if w.ok && (w.text == "-f" || w.text == "--file") && i+2 < len(words) && words[i+2].ok {
				bake = append(bake, words[i+2].text)
			} else if name, found := strings.CutPrefix(w.text, "--file="); w.ok && found {
				bake = append(bake, name)
			}
		}
		return b, bake, true
	}
	return b, nil, false
}

// unwrapped takes away what runs a command: sudo, env and assignments.
func unwrapped(words []word) []word {
	for len(words) > 1 && words[0].ok {
		switch w := words[0].text; {
		case w == "sudo" || w == "env" || w == "exec" || w == "time" || w == "command" || w == "nice":
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

func isTool(name string) bool {
	name = name[strings.LastIndexByte(name, '/')+1:]
	for _, tool := range tools {
		if name == tool {
			return true
		}
	}
	return false
}

func flagName(text string) (name string, inline bool) {
	text = strings.TrimLeft(text, "-")
	name, _, inline = strings.Cut(text, "=")
	return name, inline
}

// arguments reads those of docker build. It is false when what they mean is not known, or when
// the context comes from elsewhere.
func arguments(words []word) (b Build, ok bool) {
	b.Args = map[string]string{}
	file := word{ok: true}
	var context []word
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w.text, "-") || w.text == "-" {
			context = append(context, w)
			continue
		}
		name, value, inline := strings.Cut(strings.TrimLeft(w.text, "-"), "=")
		switch {
		case !strings.HasPrefix(w.text, "--") && !inline && len(name) > 1 && valued[name[:1]]: // -tapp
			name, value, inline = name[:1], name[1:], true
		case !w.ok && !inline:
			return b, false
		}
		given := word{value, w.ok}
		switch {
		case valued[name] && !inline:
			if i++; i == len(words) {
				return b, false
			}
			given = words[i]
		case !valued[name] && !bare[name] && !isBareCluster(name):
			return b, false
		}
		switch {
		case name == "f" || name == "file":
			file = given
		case !given.ok:
			if name == "target" || name == "build-context" {
				return b, false
			}
		case name == "t" || name == "tag":
			b.Tags = append(b.Tags, given.text)
		case name == "target":
			b.Target = given.text
		case name == "build-arg":
			if k, v, ok := strings.Cut(given.text, "="); ok {
				b.Args[k] = v
			}
		case name == "build-context":
			return b, false
		}
	}
	if len(context) != 1 || !context[0].ok || !file.ok || file.text == "-" || isElsewhere(context[0].text) {
		return b, false
	}
	b.Context, b.Dockerfile = context[0].text, file.text
	if b.Dockerfile == "" {
		b.Dockerfile, b.InContext = "Dockerfile", true
	}
	return b, true
}

// isBareCluster tells whether a flag is several of one letter: -qD.
func isBareCluster(name string) bool {
	for _, r := range name {
		if !bare[string(r)] {
			return false
		}
	}
	return name != ""
}

// isElsewhere tells whether a context is no folder of the tree.
func isElsewhere(context string) bool {
	return context == "-" || strings.HasPrefix(context, "/") || strings.Contains(context, "://") || strings.HasPrefix(context, "git@") || strings.HasPrefix(context, "github.com/")
}
