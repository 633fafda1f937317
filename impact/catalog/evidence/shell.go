package evidence

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// script reads a shell script. It runs in the root of the tree, or in its own folder.
func script(name string, text []byte) Found {
	if !speaks(text) || bytes.HasPrefix(text, []byte("#!")) && !shellLine.Match(text) {
		return Found{}
	}
	s := &shell{name: name, run: "./" + name, dirs: places(".", path.Dir(name))}
	s.read(text, 0)
	return s.found
}

// shellLine is the first line of a script that a shell runs.
var shellLine = regexp.MustCompile(`^#![^\n]*\b(sh|bash|dash|ksh)\b`)

// places are folders, each once.
func places(dirs ...string) []string {
	var out []string
	for _, dir := range dirs {
		if !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// shell walks through commands, and knows in which folder they run.
type shell struct {
	name  string
	run   string   // the command that runs it; "": that is no person's to run
	dirs  []string // where it may be; none: not known
	found Found
}

// read takes up the commands of a text that begins after so many lines of its file.
func (s *shell) read(text []byte, before int) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(text), s.name)
	if err != nil {
		return
	}
	type scope struct {
		dirs  []string
		inner bool // its folder is left with it
	}
	var open []scope
	syntax.Walk(file, func(node syntax.Node) bool {
		if node == nil {
			if last := open[len(open)-1]; last.inner {
				s.dirs = last.dirs
			}
			open = open[:len(open)-1]
			return true
		}
		inner := false
		switch n := node.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.FuncDecl:
			inner = true
		case *syntax.CallExpr:
			s.call(n, before)
		}
		open = append(open, scope{s.dirs, inner})
		return true
	})
}

func (s *shell) call(n *syntax.CallExpr, before int) {
	words := make([]word, len(n.Args))
	for i, arg := range n.Args {
		words[i] = literal(arg)
	}
	if len(words) == 0 {
		return
	}
	if words[0] == "cd" || words[0] == "pushd" || words[0] == "popd" {
		s.enter(words[1:])
		return
	}
	where := fmt.Sprintf("%s:%d", s.name, before+int(n.Pos().Line()))
	b, bake, builds, ok := command(words)
	if builds && !ok && s.run != "" && s.found.Unread == "" {
		s.found.Unread, s.found.Run = where, s.run
	}
	if !ok || len(s.dirs) == 0 {
		return
	}
	for _, file := range bake {
		if at := join(s.dirs[0], file); at != "" {
			s.found.Definitions = append(s.found.Definitions, at)
		}
	}
	if b.Dockerfile != "" {
		b.Where, b.Dirs = where, s.dirs
		s.found.Builds = append(s.found.Builds, b)
	}
}

// enter follows a cd. One that only a run tells mostly leads to the script's folder or to
// the root.
func (s *shell) enter(to []word) {
	if len(to) != 1 || !to[0].known() || path.IsAbs(string(to[0])) || to[0] == "-" {
		s.dirs = places(".", path.Dir(s.name))
		return
	}
	var out []string
	for _, dir := range s.dirs {
		if at := join(dir, string(to[0])); at != "" {
			out = append(out, at)
		}
	}
	s.dirs = out
}

// literal gives the text of a word, without quotes; what is computed is unknown.
func literal(w *syntax.Word) word {
	var b strings.Builder
	literalParts(&b, w.Parts, false)
	return word(b.String())
}

func literalParts(b *strings.Builder, parts []syntax.WordPart, quoted bool) {
	for _, part := range parts {
		known := true
		switch p := part.(type) {
		case *syntax.Lit:
			b.WriteString(unescaped(p.Value, quoted))
			known = quoted || !strings.ContainsAny(p.Value, "*?[{~")
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
			known = !p.Dollar
		case *syntax.DblQuoted:
			literalParts(b, p.Parts, true)
		default:
			known = false
		}
		if !known {
			b.WriteString(unknown)
		}
	}
}

// unescaped takes the backslashes away that a shell does.
func unescaped(text string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			switch next := text[i+1]; {
			case next == '\n':
				i++
				continue
			case !quoted || strings.IndexByte("$`\"\\", next) >= 0:
				i++
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// makefile reads the commands of a Makefile, which run in its folder, each in a shell of its own.
func makefile(name string, text []byte) Found {
	if !speaks(text) {
		return Found{}
	}
	s := &shell{name: name, run: "make"}
	if dir := path.Dir(name); dir != "." {
		s.run = "make -C " + dir
	}
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "\t") {
			continue
		}
		from, command := i, lines[i]
		for strings.HasSuffix(lines[i], "\\") && i+1 < len(lines) {
			i++
			command += "\n" + strings.TrimPrefix(lines[i], "\t")
		}
		if !speaks([]byte(command)) {
			continue
		}
		s.dirs = []string{path.Dir(name)}
		s.read([]byte(makeVariables(strings.TrimLeft(command, "\t @-+"))), from)
	}
	return s.found
}

var makeVariable = regexp.MustCompile(`\$\$|\$\([^()]*(\([^()]*\)[^()]*)*\)|\$\{[^}]*\}|\$[@<^?*+|%]`)

// makeVariables writes the variables of make as those of a shell, for what is not known
// either way.
func makeVariables(text string) string {
	return makeVariable.ReplaceAllStringFunc(text, func(v string) string {
		if v == "$$" {
			return "$"
		}
		return "${MAKE}"
	})
}
