package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
)

// generator makes a random repository: a chain of in-repo bases up to five deep,
// with whatever Dockerfiles do to files.
type generator struct {
	*rand.Rand
	s *sketch
	n int // distinguishes destinations and outputs
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// notUTF8 is a word of Latin-1.
const notUTF8 = "caf\xe9"

// oddNames are file names that tools stumble over.
var oddNames = []string{
	"a.txt", "b.txt", "A.txt", "with space.txt", "ü.txt", ".hidden", "x+y.md", "README.md", "日本.md",
	strings.Repeat("long-", 40) + ".txt", "-dash", "[b].txt", "a,b.txt", "quote'd", notUTF8 + ".txt", "tab\there.txt", "line\nbreak.txt",
}

// spoken are names that a Dockerfile can say: its parser takes UTF-8 alone, and BuildKit's
// old ones take no control characters.
var spoken = regexp.MustCompile(`^[^\x00-\x1f\x{fffd}]*$`)

var oddFolders = []string{"src", "lib", "conf", "Src", "dir with space", "src/sub", "src/sub/deep", "lib/ä", ".config", "svc", "svc/app"}

// generate makes a repository. A bare one needs a current BuildKit and no image store.
func generate(r *rand.Rand, bare bool) *sketch {
	g := &generator{Rand: r, s: &sketch{files: map[string]sketchFile{}, bake: r.IntN(2) == 0, note: "images", bare: bare}}
	g.tree()
	count := 4 + r.IntN(7) // about half of them cannot be built, and are taken out
	for i := range count {
		g.image(i)
	}
	return g.s
}

func (g *generator) tree() {
	for _, dir := range []string{"src", "lib", "svc"} {
		g.s.files[dir+"/a.txt"] = g.text()
	}
	for range 6 + g.IntN(10) {
		g.s.files[path.Join(pick(g.Rand, oddFolders), pick(g.Rand, oddNames))] = g.text()
	}
	g.s.files["shared/tool.sh"] = sketchFile{data: "tool $P", mode: 0o755}
	g.s.files["shared/.dockerignore"] = sketchFile{data: "*.md\n", mode: 0o644}
	g.s.files["shared/notes.md"] = g.text()
	if g.chance(70) {
		g.link()
	}
	if g.chance(40) {
		g.link()
	}
	if g.chance(20) {
		g.s.files["src/empty"] = sketchFile{mode: fs.ModeDir | 0o755}
	}
	if g.chance(60) {
		g.s.files[".dockerignore"] = sketchFile{data: g.ignore(), mode: 0o644}
	}
}

func (g *generator) text() sketchFile {
	g.n++
	return sketchFile{data: fmt.Sprintf("%d $P\n", g.n), mode: pick(g.Rand, []fs.FileMode{0o644, 0o644, 0o644, 0o755, 0o600})}
}

func (g *generator) link() {
	at := path.Join(pick(g.Rand, []string{"src", "lib"}), fmt.Sprintf("link%d", g.IntN(3)))
	to := pick(g.Rand, []string{"a.txt", "../lib", "../src/a.txt", "sub", "../../outside", "/etc/hostname", "nowhere", "../svc/a.txt", "."})
	g.s.files[at] = sketchFile{data: to, mode: fs.ModeSymlink | 0o777}
}

// ignore is the text of an ignore file.
func (g *generator) ignore() string {
	lines := []string{"# what images do not need"}
	if g.chance(10) {
		lines = append(lines, "**", "!src", "!lib/*.txt", "!svc")
	}
	for range 1 + g.IntN(3) {
		lines = append(lines, g.ignoreLine())
	}
	return strings.Join(lines, "\n") + "\n"
}

func (g *generator) ignoreLine() string {
	return pick(g.Rand, []string{
		"*.md", "**/*.md", "./conf", "/.config", "src/sub", "!src/sub/deep", "**/.hidden", "!src/README.md", "lib/[a-b].txt", "!gone",
		"src/sub/*", "!src/sub/a.txt", "**/ü.txt", "docker", "dir with space", "rebuild.yaml",
	})
}

// image adds an image, with its Dockerfile.
func (g *generator) image(i int) {
	im := sketchImage{name: fmt.Sprintf("img%d", i), Tags: []string{fmt.Sprintf("$P/img%d:1", i)}, Args: map[string]string{}, Contexts: map[string]string{}, Labels: map[string]string{}}
	im.Dockerfile = fmt.Sprintf("docker/img%d.Dockerfile", i)
	if g.chance(15) {
		im.Context, im.Dockerfile = "svc", fmt.Sprintf("img%d.Dockerfile", i)
	}
	if g.chance(30) {
		im.Contexts["shared"] = "shared"
	}
	if g.s.bake && g.chance(30) {
		im.Labels["label"] = "value"
	}
	d := &dockerfile{generator: g, im: &im, before: i}
	text := d.text()
	if g.chance(20) {
		g.s.files[im.dockerfile()+".dockerignore"] = sketchFile{data: g.ignore(), mode: 0o644}
	}
	g.s.files[im.dockerfile()] = sketchFile{data: text, mode: 0o644}
	g.s.images = append(g.s.images, im)
}

// dockerfile writes one Dockerfile.
type dockerfile struct {
	*generator
	im     *sketchImage
	before int // images that there are already
	lines  []string
	stages []string // those before the one that is written
}

func (d *dockerfile) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *dockerfile) text() string {
	if d.chance(15) {
		d.add("# syntax=docker/dockerfile:1")
	}
	if d.chance(25) {
		d.add("ARG BASE=%s", d.base())
		if d.chance(50) {
			d.im.Args["BASE"] = d.base()
		}
	}
	stages := 1 + d.IntN(3)
	for s := range stages {
		last := s == stages-1
		d.from(s, last)
		for range 1 + d.IntN(4) {
			d.instruction()
		}
	}
	if d.chance(15) && len(d.stages) > 0 {
		d.im.Target = pick(d.Rand, d.stages)
	}
	if !d.s.bare && d.chance(20) {
		d.add("ONBUILD COPY %s /onbuild/", "shared*"+" svc/")
		if d.im.Context == "svc" {
			d.lines[len(d.lines)-1] = "ONBUILD COPY a.txt /onbuild/"
		}
	}
	return strings.Join(d.lines, "\n") + "\n"
}

// base is an image to build on: mostly the one before, so that chains get long.
func (d *dockerfile) base() string {
	switch {
	case d.s.bare:
		return "scratch"
	case d.before > 0 && d.chance(60):
		return fmt.Sprintf("$P/img%d:1", d.before-1)
	case d.before > 0 && d.chance(40):
		return fmt.Sprintf("$P/img%d:1", d.IntN(d.before))
	}
	return "$OS"
}

func (d *dockerfile) from(s int, last bool) {
	base := d.base()
	switch {
	case len(d.stages) > 0 && d.chance(30):
		base = pick(d.Rand, d.stages)
	case len(d.lines) > 0 && strings.HasPrefix(d.lines[len(d.lines)-1], "ARG BASE") || s > 0 && slices.ContainsFunc(d.lines, func(l string) bool { return strings.HasPrefix(l, "ARG BASE") }) && d.chance(50):
		base = "${BASE}"
	case d.before > 0 && !d.s.bare && d.chance(15):
		d.im.Contexts["parent"] = fmt.Sprintf("target:img%d", d.IntN(d.before))
		base = "parent"
	}
	name := fmt.Sprintf("st%d", s)
	switch {
	case last && d.chance(50):
		d.add("FROM %s", base)
	default:
		d.add("%s %s %s %s", pick(d.Rand, []string{"FROM", "from"}), base, pick(d.Rand, []string{"AS", "as"}), name)
		defer func() { d.stages = append(d.stages, name) }()
	}
	if d.s.bare { // what comes is on nothing that another repository has
		d.add("COPY <<EOF /seed\n$P\nEOF")
	}
}

// sources lists what a COPY may name, from the context's root.
func (d *dockerfile) sources() (files, folders []string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(d.s.files)) {
		rel := name
		if d.im.Context != "" {
			var ok bool
			if rel, ok = strings.CutPrefix(name, d.im.Context+"/"); !ok {
				continue
			}
		}
		if strings.HasPrefix(rel, "docker/") || !spoken.MatchString(rel) || strings.HasPrefix(rel, "shared/") || strings.Contains(rel, "outside") {
			continue
		}
		files = append(files, rel)
		for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
			if !seen[dir] {
				seen[dir] = true
				folders = append(folders, dir)
			}
		}
	}
	slices.Sort(folders)
	return files, folders
}

// copyLine words a COPY or ADD, in JSON form when a name needs it.
func (d *dockerfile) copyLine(flags string, to string, sources ...string) {
	verb := pick(d.Rand, []string{"COPY", "COPY", "COPY", "copy", "ADD"})
	if strings.Contains(flags, "--from") || strings.Contains(flags, "--parents") {
		verb = "COPY"
	}
	if flags != "" {
		verb += " " + flags
	}
	words := append(slices.Clone(sources), to)
	if d.chance(20) || slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w, " ") }) {
		dt, err := json.Marshal(words)
		if err != nil {
			panic(err) // strings always marshal
		}
		d.add("%s %s", verb, dt)
		return
	}
	d.add("%s %s", verb, strings.Join(words, " "))
}

// literal keeps a name from being taken for a pattern.
func literal(name string) string { return strings.ReplaceAll(name, "[", "[[]") }

func (d *dockerfile) flags() string {
	var flags []string
	if d.chance(12) {
		flags = append(flags, "--chmod="+pick(d.Rand, []string{"644", "0755"}))
	}
	if d.chance(12) {
		flags = append(flags, "--chown="+pick(d.Rand, []string{"nobody", "1:1"}))
		if d.s.bare { // nothing knows a name
			flags[len(flags)-1] = "--chown=1:1"
		}
	}
	if d.s.bare && d.chance(35) {
		flags = append(flags, "--exclude="+pick(d.Rand, []string{"*.md", "**/*.txt", "sub", "src/sub/deep", "[a-b].txt", "**/ü.txt", ".hidden", "none"}))
	}
	if d.s.bare && d.chance(35) {
		flags = append(flags, "--parents")
	}
	if d.chance(5) {
		flags = append(flags, "--link")
	}
	return strings.Join(flags, " ")
}

func (d *dockerfile) instruction() {
	files, folders := d.sources()
	d.n++
	to := fmt.Sprintf("/w/%d/", d.n)
	out := fmt.Sprintf("mkdir -p /o && { cat /w/*/* /m/* 2>/dev/null; echo %d $P; } > /o/%d", d.n, d.n)
	k := d.IntN(30)
	if d.s.bare {
		k = pick(d.Rand, bareInstructions)
	}
	switch {
	case k < 3:
		d.copyLine(d.flags(), to, literal(pick(d.Rand, files)))
	case k < 5:
		d.copyLine(d.flags(), to, literal(pick(d.Rand, files)), literal(pick(d.Rand, files)))
	case k < 8 && len(folders) > 0:
		d.copyLine(d.flags(), to, pick(d.Rand, []string{"", "./", "/"})+pick(d.Rand, folders)+pick(d.Rand, []string{"", "/", "/."}))
	case k < 10 && len(folders) > 0:
		// Something else of the folder must be read, or it does not travel.
		folder := pick(d.Rand, folders)
		files = slices.DeleteFunc(files, func(f string) bool { return !strings.HasPrefix(f, folder+"/") })
		d.copyLine(d.flags(), to, literal(pick(d.Rand, files)), folder+"/"+pick(d.Rand, []string{"*.txt", "[a-b].txt", "?.txt", "none*", "*"}))
	case k == 10 && d.im.Context == "" && d.chance(30):
		d.add("COPY .git/HEAD %s", to)
	case k == 10:
		d.copyLine("", to, ".")
	case k == 11:
		d.copyLine("", to, "a.tx[t]", "*/a.txt")
		if d.im.Context == "" {
			d.lines[len(d.lines)-1] = "COPY s*/a.txt " + to
		}
	case k == 12 && len(d.stages) > 0 && d.s.bare:
		d.copyLine("--from="+pick(d.Rand, d.stages), to, pick(d.Rand, []string{"/w*", "/*"}))
	case k == 12 && len(d.stages) > 0:
		d.add("RUN mkdir -p /o /w/s")
		d.copyLine("--from="+pick(d.Rand, d.stages), to, "/etc/passwd", pick(d.Rand, []string{"/w*", "/o*", "/token"}))
	case k == 13 && d.before > 0:
		d.copyLine(fmt.Sprintf("--from=$P/img%d:1", d.IntN(d.before)), to, "/etc/group", pick(d.Rand, []string{"/w*", "/o*", "/token"}))
	case k == 14 && d.im.Contexts["shared"] != "":
		d.copyLine("--from=shared", to, pick(d.Rand, []string{"tool.sh", ".", "*.sh"}))
	case k == 15:
		d.copyLine("--from=$OS", to, "/token")
	case k == 16:
		d.add("COPY <<EOF %sdoc\n%d $P\nEOF", to, d.n)
	case k == 17:
		d.add("RUN <<EOF\n# %d\n%s\nEOF", d.n, out)
	case k == 18 && len(folders) > 0 && !strings.Contains(strings.Join(folders, ""), " "):
		d.add("RUN --mount=type=bind,source=%s,target=/m %s", pick(d.Rand, folders), out)
	case k == 19:
		d.add("RUN --mount=type=bind,target=/m %s", out)
	case k == 20 && len(d.stages) > 0:
		d.add("RUN --mount=type=bind,from=%s,source=/etc,target=/m %s", pick(d.Rand, d.stages), out)
	case k == 20 && d.before > 0:
		d.add("RUN --mount=type=bind,from=$P/img%d:1,source=/etc,target=/m %s", d.IntN(d.before), out)
	case k == 21:
		d.add("ARG V%d=one\nRUN echo $V%d > /v%d; %s", d.n%3, d.n%3, d.n, out)
		if d.chance(40) {
			d.im.Args[fmt.Sprintf("V%d", d.n%3)] = "given"
		}
	case k == 22:
		d.add("ENV E%d=val\nRUN echo $E%d > /e%d", d.n%3, d.n%3, d.n)
	case k == 23:
		d.add("WORKDIR /work%d", d.n)
		if d.chance(40) {
			d.copyLine("", "./", literal(pick(d.Rand, files)))
		}
	case k == 24 && d.im.Context == "":
		d.add("ARG D=%s\nCOPY $D/ %s", pick(d.Rand, []string{"src", "lib"}), to)
	case k == 25:
		d.add("%s", pick(d.Rand, []string{"LABEL l=one", "CMD [\"sh\"]", "EXPOSE 80", "STOPSIGNAL SIGINT", "VOLUME /vol", "USER 0", "SHELL [\"/bin/sh\", \"-c\"]",
			"ENTRYPOINT [\"sh\", \"-c\"]", "HEALTHCHECK CMD true", "MAINTAINER someone", "ENV A=1 B=2", "ARG UNUSED"}))
	case k == 26:
		d.add("RUN --mount=type=%s,target=/m %s", pick(d.Rand, []string{"cache", "tmpfs", "cache,id=oracle$P"}), out)
	case k == 27 && d.before > 0:
		d.add("RUN --mount=type=cache,from=$P/img%d:1,source=/etc,target=/m %s", d.IntN(d.before), out)
	case k == 28:
		d.add("RUN --network=%s %s", pick(d.Rand, []string{"none", "default"}), out)
	case d.s.bare:
		d.add("LABEL l%d=one", d.n)
	default:
		d.add("RUN %s", out)
	}
}

// bareInstructions are the cases of instruction that neither run anything nor need an image.
var bareInstructions = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 14, 16, 23, 24, 25}
