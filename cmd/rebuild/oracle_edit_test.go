package main

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
)

// edit is one kind of change to a repository. It gives false when there is nothing
// to change in this way.
type edit struct {
	kind string
	do   func(g *generator) bool
}

var edits = []edit{
	{"create", (*generator).create},
	{"modify", (*generator).modify},
	{"modify", (*generator).modify},
	{"delete", (*generator).remove},
	{"rename", (*generator).rename},
	{"case rename", (*generator).recase},
	{"chmod", (*generator).chmod},
	{"retarget link", (*generator).retarget},
	{"swap folder", (*generator).swap},
	{"touch", (*generator).touch},
	{"ignore file", (*generator).editIgnore},
	{"own ignore file", (*generator).ownIgnore},
	{"comment", (*generator).comment},
	{"spelling", (*generator).spelling},
	{"reorder", (*generator).reorder},
	{"arg default", (*generator).argDefault},
	{"rename stage", (*generator).renameStage},
	{"value", (*generator).value},
	{"add line", (*generator).addLine},
	{"delete line", (*generator).deleteLine},
	{"without a value", (*generator).withoutValue},
	{"no instruction", (*generator).noInstruction},
	{"definition", (*generator).define},
	{"base moved", (*generator).moveBase},
}

// bothSides is an edit of a definition that another branch edits in another way.
const bothSides = "both sides"

// definitionEdits are what both sides do.
var definitionEdits = []edit{
	{bothSides, (*generator).define},
	{bothSides, (*generator).define},
	{bothSides, func(g *generator) bool { return g.modify() && g.define() }},
	{bothSides, func(g *generator) bool { return g.addLine() && g.define() }},
	{bothSides, (*generator).leaveOut},
}

// gitEdits tell git something too. They are not for a repository in which more happens.
var gitEdits = []edit{
	{"overlooked", (*generator).overlooked},
	{"without modes", (*generator).withoutModes},
	{"sparse", (*generator).sparse},
	{"branch", (*generator).branch},
	{bothSides, func(g *generator) bool { return pick(g.Rand, definitionEdits).do(g) }},
	{bothSides, func(g *generator) bool { return pick(g.Rand, definitionEdits).do(g) }},
}

// change makes a random edit of a copy, and names its kind.
func change(r *rand.Rand, s *sketch, edits []edit) (after *sketch, kind string) {
	for {
		g := &generator{Rand: r, s: s.clone(), n: 1000 + r.IntN(1_000_000)}
		e := pick(r, edits)
		if e.do(g) && g.s.possible() {
			return g.s, e.kind
		}
	}
}

// paths lists the files that are not Dockerfiles.
func (g *generator) paths(ok func(sketchFile) bool) []string {
	var list []string
	for _, p := range slices.Sorted(maps.Keys(g.s.files)) {
		if !strings.HasSuffix(p, "Dockerfile") && !strings.HasSuffix(p, "dockerignore") && ok(g.s.files[p]) {
			list = append(list, p)
		}
	}
	return list
}

func regular(f sketchFile) bool { return f.mode.IsRegular() }
func anyFile(sketchFile) bool   { return true }
func isLink(f sketchFile) bool  { return f.mode.Type() == fs.ModeSymlink }

func (g *generator) free(p string) bool {
	if _, ok := g.s.files[p]; ok {
		return false
	}
	for q := range g.s.files {
		if strings.HasPrefix(q, p+"/") || strings.HasPrefix(p, q+"/") && !g.s.files[q].mode.IsDir() {
			return false
		}
	}
	return true
}

func (g *generator) create() bool {
	p := path.Join(pick(g.Rand, oddFolders), pick(g.Rand, oddNames))
	if !g.free(p) {
		return false
	}
	g.s.files[p] = g.text()
	return true
}

func (g *generator) modify() bool {
	p := pick(g.Rand, g.paths(regular))
	f := g.s.files[p]
	f.data = g.text().data
	g.s.files[p] = f
	return true
}

func (g *generator) remove() bool {
	delete(g.s.files, pick(g.Rand, g.paths(anyFile)))
	return true
}

func (g *generator) rename() bool {
	p := pick(g.Rand, g.paths(anyFile))
	to := path.Join(path.Dir(p), pick(g.Rand, oddNames))
	if !g.free(to) {
		return false
	}
	g.s.files[to] = g.s.files[p]
	delete(g.s.files, p)
	return true
}

func (g *generator) recase() bool {
	p := pick(g.Rand, g.paths(anyFile))
	to := path.Join(path.Dir(p), strings.ToUpper(path.Base(p)))
	if !g.free(to) {
		return false
	}
	g.s.files[to] = g.s.files[p]
	delete(g.s.files, p)
	return true
}

func (g *generator) chmod() bool {
	p := pick(g.Rand, g.paths(regular))
	f := g.s.files[p]
	mode := pick(g.Rand, []fs.FileMode{0o644, 0o755, 0o600, 0o640, 0})
	same := mode == f.mode
	f.mode = mode
	g.s.files[p] = f
	return !same
}

func (g *generator) retarget() bool {
	links := g.paths(isLink)
	if len(links) == 0 {
		return false
	}
	p := pick(g.Rand, links)
	before := g.s.files[p]
	delete(g.s.files, p)
	g.link()
	for q, f := range g.s.files {
		if isLink(f) && q != p {
			g.s.files[p] = f
		}
	}
	return g.s.files[p] != before
}

// swap puts a link, a file or another folder's files where a folder is.
func (g *generator) swap() bool {
	dir := pick(g.Rand, []string{"src/sub", "lib", "src/sub/deep", "dir with space"})
	moved := map[string]sketchFile{}
	for p, f := range g.s.files {
		if strings.HasPrefix(p, dir+"/") {
			moved[strings.TrimPrefix(p, dir+"/")] = f
			delete(g.s.files, p)
		}
	}
	if len(moved) == 0 {
		return false
	}
	switch g.IntN(3) {
	case 0:
		g.s.files[dir] = g.text()
	case 1: // a link to an equal folder
		to := fmt.Sprintf("moved%d", g.n)
		for p, f := range moved {
			g.s.files[to+"/"+p] = f
		}
		g.s.files[dir] = sketchFile{data: strings.Repeat("../", strings.Count(dir, "/")) + to, mode: fs.ModeSymlink | 0o777}
	default:
		g.s.files[dir] = sketchFile{mode: fs.ModeDir | 0o755}
	}
	return true
}

func (g *generator) touch() bool {
	p := pick(g.Rand, slices.DeleteFunc(slices.Sorted(maps.Keys(g.s.files)), func(p string) bool { return !regular(g.s.files[p]) }))
	f := g.s.files[p]
	f.touched++
	g.s.files[p] = f
	return true
}

func (g *generator) editIgnore() bool { return g.editIgnoreAt(".dockerignore") }

func (g *generator) ownIgnore() bool {
	return g.editIgnoreAt(pick(g.Rand, g.s.images).dockerfile() + ".dockerignore")
}

func (g *generator) editIgnoreAt(p string) bool {
	f, ok := g.s.files[p]
	if !ok {
		f = sketchFile{data: "# new\n", mode: 0o644}
	}
	lines := strings.Split(strings.TrimSuffix(f.data, "\n"), "\n")
	at := g.IntN(len(lines))
	switch g.IntN(5) {
	case 0:
		lines = append(lines, fmt.Sprintf("# comment %d", g.n))
	case 1:
		lines = slices.Delete(lines, at, at+1)
	case 2:
		delete(g.s.files, p)
		return ok
	default:
		lines = slices.Insert(lines, at, g.ignoreLine())
	}
	f.data = strings.Join(lines, "\n") + "\n"
	g.s.files[p] = f
	return true
}

// lines gives a random image's Dockerfile, and a function that puts it back.
func (g *generator) lines() (im *sketchImage, lines []string, set func([]string) bool) {
	im = &g.s.images[g.IntN(len(g.s.images))]
	f := g.s.files[im.dockerfile()]
	lines = strings.Split(strings.TrimSuffix(f.data, "\n"), "\n")
	return im, lines, func(next []string) bool {
		text := strings.Join(next, "\n") + "\n"
		same := text == f.data
		f.data = text
		g.s.files[im.dockerfile()] = f
		return !same
	}
}

func (g *generator) comment() bool {
	_, lines, set := g.lines()
	return set(slices.Insert(lines, g.IntN(len(lines)+1), fmt.Sprintf("# comment %d", g.n)))
}

// spelling writes a line in another way that means the same, or nearly.
func (g *generator) spelling() bool {
	_, lines, set := g.lines()
	i := g.IntN(len(lines))
	word, rest, ok := strings.Cut(lines[i], " ")
	if !ok || strings.HasPrefix(word, "#") {
		return false
	}
	switch g.IntN(5) {
	case 0:
		lines[i] = strings.ToLower(word) + " " + rest
	case 1:
		lines[i] = word + "   " + rest + "  "
	case 2:
		lines[i] = "  " + lines[i]
	case 3:
		fields := strings.Fields(rest)
		if strings.ToUpper(word) != "COPY" || strings.ContainsAny(rest, `<["-`) {
			return false
		}
		lines[i] = word + ` ["` + strings.Join(fields, `", "`) + `"]`
	default:
		lines[i] = strings.Replace(lines[i], " src", " ./src", 1)
	}
	return set(lines)
}

func (g *generator) reorder() bool {
	_, lines, set := g.lines()
	if len(lines) < 3 {
		return false
	}
	i := 1 + g.IntN(len(lines)-2)
	for _, l := range lines[i : i+2] {
		if up := strings.ToUpper(l); strings.HasPrefix(up, "FROM") || strings.Contains(l, "EOF") {
			return false
		}
	}
	lines[i], lines[i+1] = lines[i+1], lines[i]
	return set(lines)
}

// replaceIn changes one line that a pattern matches.
func (g *generator) replaceIn(pattern *regexp.Regexp, with string) bool {
	_, lines, set := g.lines()
	var at []int
	for i, l := range lines {
		if pattern.MatchString(l) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return false
	}
	i := pick(g.Rand, at)
	lines[i] = pattern.ReplaceAllString(lines[i], with)
	return set(lines)
}

var argLine = regexp.MustCompile(`^(ARG V\d)=.*`)

func (g *generator) argDefault() bool {
	return g.replaceIn(argLine, fmt.Sprintf("${1}=other%d", g.n))
}

var stageName = regexp.MustCompile(`(?i)^FROM \S+ AS (\S+)`)

func (g *generator) renameStage() bool {
	im, lines, set := g.lines()
	for i, l := range lines {
		if m := stageName.FindStringSubmatch(l); m != nil && g.chance(50) {
			name := fmt.Sprintf("renamed%d", g.n)
			old := regexp.MustCompile(`\b` + regexp.QuoteMeta(m[1]) + `\b`)
			for j := i; j < len(lines); j++ {
				lines[j] = old.ReplaceAllString(lines[j], name)
			}
			if im.Target == m[1] {
				im.Target = name
			}
			return set(lines)
		}
	}
	return false
}

var valueLine = regexp.MustCompile(`^(ENV E\d|LABEL l)=.*`)

func (g *generator) value() bool {
	return g.replaceIn(valueLine, fmt.Sprintf("${1}=other%d", g.n))
}

func (g *generator) addLine() bool {
	im, lines, set := g.lines()
	d := &dockerfile{generator: g, im: im}
	for len(d.lines) == 0 {
		d.instruction()
	}
	at := len(lines)
	for i, l := range lines {
		if i > 1 && strings.HasPrefix(strings.ToUpper(l), "FROM") && g.chance(50) {
			at = i
			break
		}
	}
	return set(slices.Insert(lines, at, strings.Join(d.lines, "\n")))
}

// withoutValue has a FROM need an argument that has no value.
func (g *generator) withoutValue() bool {
	_, lines, set := g.lines()
	for i, l := range lines {
		word, rest, ok := strings.Cut(l, " ")
		if !ok || !strings.EqualFold(word, "FROM") || strings.Contains(rest, "--platform") {
			continue
		}
		name := fmt.Sprintf("LACKS%d", g.n)
		lines[i] = "FROM --platform=${" + name + "} " + rest
		if strings.HasPrefix(lines[0], "#") { // perhaps a directive: nothing may come before it
			return set(lines) // not declared, so it lacks a value all the same
		}
		return set(slices.Insert(lines, 0, "ARG "+name))
	}
	return false
}

// tell has git take what is there, and then do something.
func (g *generator) tell(args ...string) {
	g.s.git = append(g.s.git, []string{"add", "-A", "--sparse"}, args)
}

// overlooked edits a file that git is told to take for unchanged.
func (g *generator) overlooked() bool {
	p := pick(g.Rand, g.paths(regular))
	g.tell("update-index", "--assume-unchanged", "--", p)
	f := g.s.files[p]
	f.data = g.text().data
	g.s.files[p] = f
	return true
}

// withoutModes changes a mode that git is told not to look at.
func (g *generator) withoutModes() bool {
	g.tell("config", "core.fileMode", "false")
	return g.chmod()
}

// sparse leaves a folder out of the checkout: what is in it is as the commit has it.
func (g *generator) sparse() bool {
	dir := pick(g.Rand, []string{"src/sub", "lib", "conf", "docker"})
	left := false
	for p := range g.s.files {
		if strings.HasPrefix(p, dir+"/") {
			delete(g.s.files, p)
			left = true
		}
	}
	g.tell("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "sparse", "--allow-empty")
	g.tell("sparse-checkout", "set", "--no-cone", "/*", "!/"+dir+"/")
	return left
}

// branch changes what .git holds.
func (g *generator) branch() bool {
	g.tell("symbolic-ref", "HEAD", fmt.Sprintf("refs/heads/$P-%d", g.n))
	return true
}

// noInstruction adds a line that no parser takes.
func (g *generator) noInstruction() bool {
	_, lines, set := g.lines()
	return set(append(lines, "RUNN true"))
}

func (g *generator) deleteLine() bool {
	_, lines, set := g.lines()
	if len(lines) < 3 {
		return false
	}
	i := 1 + g.IntN(len(lines)-1)
	if up := strings.ToUpper(lines[i]); strings.HasPrefix(up, "FROM") || strings.Contains(up, "EOF") {
		return false
	}
	return set(slices.Delete(lines, i, i+1))
}

// define edits the definition.
func (g *generator) define() bool {
	i := g.IntN(len(g.s.images))
	im := &g.s.images[i]
	switch g.IntN(7) {
	case 0:
		g.s.note = fmt.Sprintf("edited %d", g.n)
		return !g.s.bake
	case 1:
		im.Tags = append(im.Tags, fmt.Sprintf("$P/also%d:1", g.n))
	case 2:
		im.Args["V0"] = fmt.Sprintf("given%d", g.n)
	case 3:
		im.Args["UNUSED"] = fmt.Sprintf("given%d", g.n)
	case 4:
		if !g.s.bake {
			return false
		}
		im.Labels["label"] = fmt.Sprintf("given%d", g.n)
	case 5:
		if im.Contexts["shared"] == "" {
			im.Contexts["shared"] = "shared"
			return true
		}
		im.Contexts["shared"] = "lib"
	default:
		if im.Target == "" {
			return false
		}
		im.Target = ""
	}
	return true
}

// leaveOut takes the last image out of the definition. The others may be built on it.
func (g *generator) leaveOut() bool {
	if len(g.s.images) < 2 {
		return false
	}
	g.s.images = g.s.images[:len(g.s.images)-1]
	return true
}

func (g *generator) moveBase() bool {
	if g.s.bare || g.chance(60) { // it touches nearly every image
		return false
	}
	g.s.os++
	return true
}
