package llb

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"rebuild/impact"
)

// lacking are the arguments without a value that the FROM lines of a Dockerfile need.
type lacking struct {
	names      []string        // sorted
	inPlatform map[string]bool // those that --platform needs
	declared   map[string]bool // those that a build argument can give a value
	lines      map[int]bool    // of the FROMs that need one
	stages     []string        // names of stages
}

// lackingOf finds the arguments without a value, or with an empty one as well; nil when the
// Dockerfile cannot be parsed, or lacks none.
func lackingOf(im impact.Image, text []byte, empty bool) *lacking {
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	stages, global, err := instructions.Parse(ast.AST, unheard)
	if err != nil {
		return nil
	}
	l := &lacking{inPlatform: map[string]bool{}, declared: map[string]bool{}, lines: map[int]bool{}}
	lex := shell.NewLex(ast.EscapeToken)
	defaults := map[string]string{} // as written
	lacks := func(value string, given bool) bool { return !given || empty && value == "" }
	for _, cmd := range global {
		for _, a := range cmd.Args {
			l.declared[a.Key] = true
			if a.Value != nil {
				defaults[a.Key] = *a.Value
			}
		}
	}
	var need func(word string, platform bool, line int, depth int)
	need = func(word string, platform bool, line int, depth int) {
		res, err := lex.ProcessWordWithMatches(word, shell.EnvsFromSlice(nil))
		if err != nil || depth > len(defaults) {
			return
		}
		for name := range res.Unmatched {
			given, isGiven := im.Args[name]
			value, hasDefault := defaults[name]
			switch {
			case isPlatformArg(name), !lacks(given, isGiven):
			case !isGiven && !lacks(value, hasDefault):
				need(value, platform, line, depth+1)
			default:
				l.inPlatform[name] = l.inPlatform[name] || platform
				l.lines[line] = true
			}
		}
	}
	for _, st := range stages {
		line := 0
		if len(st.Location) > 0 {
			line = st.Location[0].Start.Line
		}
		need(st.BaseName, false, line, 0)
		need(st.Platform, true, line, 0)
		l.stages = append(l.stages, st.Name)
	}
	if l.names = slices.Sorted(maps.Keys(l.inPlatform)); len(l.names) == 0 {
		return nil
	}
	return l
}

// isPlatformArg tells whether the frontend itself gives an argument to FROM lines
// (dockerfile2llb defaultArgs).
func isPlatformArg(name string) bool {
	for _, prefix := range []string{"BUILD", "TARGET"} {
		switch rest, ok := strings.CutPrefix(name, prefix); {
		case ok && slices.Contains([]string{"PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT", "STAGE"}, rest):
			return true
		}
	}
	return false
}

// standIn is a value for each use of an argument.
type standIn struct{ name, arch string }

// standIns are tried in turn, in pairs: what an image reads must not depend on them. A
// word serves as a repository, as a tag and as a registry, the others as a digest.
func standIns() [][2]standIn {
	arch, other := runtime.GOARCH, "arm64"
	if arch == other {
		other = "amd64"
	}
	zeros, ones := strings.Repeat("0", 64), strings.Repeat("1", 64)
	return [][2]standIn{
		{{"stand-in", arch}, {"another-stand-in", other}},
		{{zeros, arch}, {ones, other}},
		{{"sha256:" + zeros, arch}, {"sha256:" + ones, other}},
	}
}

// withStandIns converts an image whose FROM lines lack the values of arguments, with
// stand-ins. It gives no graph when they do not suffice: with none, or when what the
// image reads depends on them. Where they may name an image of the catalog, that may say
// what to read (ONBUILD), so the graph has another beside it.
func withStandIns(ctx context.Context, im impact.Image, src dockerfile, read impact.ReadFile, resolve impact.Resolve, fault *impact.Fault) (*impact.Graph, error) {
	for _, empty := range []bool{false, true} {
		l := lackingOf(im, src.text, empty)
		if l == nil || !l.lines[fault.Line] {
			continue
		}
		fault.Hint = l.hint(fault)
		g, err := l.graph(ctx, im, src, read, resolve)
		if g != nil {
			g.Fault = fault
			if g.Mentions != nil {
				g.Otherwise = withoutLayers(ctx, im, read, fault)
			}
		}
		if g != nil || err != nil {
			return g, err
		}
	}
	return nil, nil
}

// graph converts the image with the first stand-ins that serve.
func (l *lacking) graph(ctx context.Context, im impact.Image, src dockerfile, read impact.ReadFile, resolve impact.Resolve) (*impact.Graph, error) {
	if l.mayNameStage(im, src.text) {
		return nil, nil
	}
	for _, pair := range standIns() {
		var graphs [2]*impact.Graph
		for i, s := range pair {
			g, err := l.convert(ctx, im, src, read, resolve, s)
			if isPending(err) || ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				break
			}
			graphs[i] = g
		}
		if graphs[0] == nil || graphs[1] == nil {
			continue
		}
		if !reflect.DeepEqual(readsOf(graphs[0]), readsOf(graphs[1])) {
			return nil, nil
		}
		g := graphs[0]
		g.Assumed, g.Mentions = l.names, mentions(im, src.text, l.names)
		return g, nil
	}
	return nil, nil
}

// convert converts the image with a stand-in. What is not declared is replaced in the
// text, since no build argument reaches it.
func (l *lacking) convert(ctx context.Context, im impact.Image, src dockerfile, read impact.ReadFile, resolve impact.Resolve, s standIn) (*impact.Graph, error) {
	im.Args = maps.Clone(im.Args)
	if im.Args == nil {
		im.Args = map[string]string{}
	}
	im.IgnoreArgs = slices.DeleteFunc(slices.Clone(im.IgnoreArgs), func(name string) bool { return slices.Contains(l.names, name) })
	given := src
	for _, name := range l.names {
		value := s.name
		if l.inPlatform[name] {
			value = l.platform(name, src.text, s.arch)
		}
		if l.declared[name] {
			im.Args[name] = value
			continue
		}
		use := useOf(name)
		given.given = fromWhole.ReplaceAllFunc(given.bytes(), func(line []byte) []byte { return use.ReplaceAllLiteral(line, []byte(value)) })
	}
	g, err := convert(ctx, im, given, read, func(ctx context.Context, ref, platform string) (impact.Base, error) {
		if strings.Contains(ref, s.name) {
			return AssumedBase(ref, platform), nil
		}
		return resolve(ctx, ref, platform)
	})
	if err == nil {
		g.Refs = slices.DeleteFunc(g.Refs, func(ref string) bool { return strings.Contains(ref, s.name) })
	}
	return g, err
}

var fromWhole = regexp.MustCompile(`(?im)^[ \t]*FROM[ \t].*$`)

// useOf matches the places that use a variable.
func useOf(name string) *regexp.Regexp {
	return regexp.MustCompile(`\$\{` + name + `[^}]*\}|\$` + name + `\b`)
}

// platform is the stand-in for an argument of --platform: the whole of it, or its
// architecture, or its system.
func (l *lacking) platform(name string, text []byte, arch string) string {
	for _, m := range platformFlag.FindAllSubmatch(text, -1) {
		flag, use := string(m[1]), useOf(name)
		switch at := use.FindStringIndex(flag); {
		case at == nil:
		case at[0] > 0:
			return arch
		case at[1] < len(flag):
			return "linux"
		}
	}
	return "linux/" + arch
}

var platformFlag = regexp.MustCompile(`--platform=["']?([^\s"']+)`)

// mayNameStage tells whether an argument that is lacking may choose among the stages of
// the Dockerfile: then what the image reads hangs on it.
func (l *lacking) mayNameStage(im impact.Image, text []byte) bool {
	for _, m := range fromLine.FindAllSubmatch(joined(text), -1) {
		word := string(m[1])
		for _, name := range l.names {
			word = useOf(name).ReplaceAllLiteralString(word, unknownPart)
		}
		word = expand(word, im.Args)
		if !strings.Contains(word, unknownPart) {
			continue
		}
		if p := pattern(strings.ToLower(word)); slices.ContainsFunc(l.stages, func(s string) bool { return s != "" && p.MatchString(strings.ToLower(s)) }) {
			return true
		}
	}
	return false
}

// hint says what gives the arguments their values.
func (l *lacking) hint(fault *impact.Fault) string {
	var give, declare []string
	for _, name := range l.names {
		give = append(give, "--build-arg "+name+"=...")
		if !l.declared[name] {
			declare = append(declare, "ARG "+name)
		}
	}
	where := fmt.Sprintf("%s:%d", fault.Path, fault.Line)
	if len(declare) > 0 {
		return fmt.Sprintf("declare it above the FROM of %s: %s; then %s gives it a value", where, strings.Join(declare, ", "), strings.Join(give, " "))
	}
	return fmt.Sprintf("give %s what it lacks: %s", where, strings.Join(give, " "))
}

// readsOf lists what an image reads.
func readsOf(g *impact.Graph) [][]impact.Selection {
	var reads [][]impact.Selection
	for _, l := range g.Layers {
		reads = append(reads, l.Reads)
	}
	return reads
}
