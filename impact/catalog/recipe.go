package catalog

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// recipe is what a Dockerfile says of its context and of other images, with the
// defaults of its arguments.
type recipe struct {
	sources []string // what it reads of its context, as written; unknown ones are left out
	whole   bool     // it reads all of its context
	refs    []baseRef
	open    []baseRef // references that hold an argument without a value, as written
	unknown bool      // some source has no value without arguments
}

// baseRef is an image that a Dockerfile reads.
type baseRef struct {
	text  string // as written, variables replaced
	line  int
	lacks []string // arguments without a value
}

// readRecipe parses a Dockerfile with BuildKit's own parser, for the build arguments given.
// Without any FROM it is none.
func readRecipe(text []byte, given map[string]string) (r *recipe, err error) {
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	// Without a linter, a comment "# check=" above an instruction is a nil pointer to BuildKit.
	stages, global, err := instructions.Parse(ast.AST, linter.New(&linter.Config{}))
	if err != nil {
		return nil, err
	}
	r = &recipe{}
	e := &expansion{lex: shell.NewLex(ast.EscapeToken), vars: map[string]string{}, given: given}
	for _, a := range global {
		e.args(a.Args, nil)
	}
	defaults := e.vars
	names := map[string]bool{}
	for i, st := range stages {
		e.vars = maps.Clone(defaults)
		r.base(e, st.BaseName, line(st), names)
		e.vars = map[string]string{}
		for _, cmd := range st.Commands {
			r.command(e, cmd, defaults, names)
		}
		names[strconv.Itoa(i)] = true
		if st.Name != "" {
			names[strings.ToLower(st.Name)] = true
		}
	}
	return r, nil
}

func line(st instructions.Stage) int {
	if len(st.Location) == 0 {
		return 0
	}
	return st.Location[0].Start.Line
}

// base takes up a reference, unless it is a stage, or nothing.
func (r *recipe) base(e *expansion, name string, line int, stages map[string]bool) {
	ref, ok := e.word(name)
	switch {
	case !ok:
		r.open = append(r.open, baseRef{text: name, line: line, lacks: e.lacking(name)})
	case ref == "", ref == "scratch", ref == "context", stages[strings.ToLower(ref)]:
	default:
		r.refs = append(r.refs, baseRef{text: ref, line: line})
	}
}

func (r *recipe) command(e *expansion, cmd instructions.Command, global map[string]string, stages map[string]bool) {
	at := 0
	if loc := cmd.Location(); len(loc) > 0 {
		at = loc[0].Start.Line
	}
	switch c := cmd.(type) {
	case *instructions.ArgCommand:
		e.args(c.Args, global)
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			e.set(kv.Key, kv.Value)
		}
	case *instructions.CopyCommand:
		if c.From != "" {
			r.base(e, c.From, at, stages)
			return
		}
		r.copies(e, c.SourcePaths)
	case *instructions.AddCommand:
		r.copies(e, slices.DeleteFunc(slices.Clone(c.SourcePaths), isURL))
	case *instructions.RunCommand:
		r.mounts(e, c, at, stages)
	}
}

func (r *recipe) copies(e *expansion, paths []string) {
	for _, p := range paths {
		source, ok := e.word(p)
		switch clean := strings.Trim(source, "/"); {
		case !ok:
			r.unknown = true
		case clean == "" || clean == "." || strings.Trim(clean, "*./") == "":
			r.whole = true
		case isURL(source):
		default:
			r.sources = append(r.sources, source)
		}
	}
}

func (r *recipe) mounts(e *expansion, c *instructions.RunCommand, at int, stages map[string]bool) {
	err := c.Expand(func(word string) (string, error) {
		v, ok := e.word(word)
		if !ok {
			r.unknown = true
		}
		return v, nil
	})
	if err != nil {
		r.unknown = true
		return
	}
	for _, m := range instructions.GetMounts(c) {
		switch {
		case m.From != "":
			r.base(e, m.From, at, stages)
		case m.Type == instructions.MountTypeBind:
			r.copies(e, []string{m.Source})
		}
	}
}

var remoteSource = regexp.MustCompile(`^(https?|git|ssh)://|^git@`)

func isURL(s string) bool { return remoteSource.MatchString(s) }

// What paths and references are made of. A variable that is made of itself doubles without end;
// what is longer counts as unknown. The longest path of Linux is 4 KiB.
const (
	maxValue = 4 << 10 // bytes
	maxUses  = 1000    // of variables in one word
)

// expansion replaces the variables of one stage.
type expansion struct {
	lex   *shell.Lex
	vars  map[string]string
	given map[string]string
}

// args takes up declared arguments: as given, with their default, or that of the global
// one.
func (e *expansion) args(args []instructions.KeyValuePairOptional, global map[string]string) {
	for _, a := range args {
		if v, ok := e.given[a.Key]; ok {
			e.vars[a.Key] = v
		} else if a.Value != nil {
			e.set(a.Key, *a.Value)
		} else if v, ok := global[a.Key]; ok {
			e.vars[a.Key] = v
		}
	}
}

// set gives a variable its value, or none when that is not known.
func (e *expansion) set(name, value string) {
	if v, ok := e.word(value); ok {
		e.vars[name] = v
		return
	}
	delete(e.vars, name)
}

// word replaces variables; false when one has no value.
func (e *expansion) word(s string) (string, bool) {
	if !strings.Contains(s, "$") {
		return s, true
	}
	if strings.Count(s, "$") > maxUses {
		return "", false
	}
	v, missing, err := e.lex.ProcessWord(s, e.env())
	return v, err == nil && len(missing) == 0 && len(v) <= maxValue
}

// lacking lists the variables without a value.
func (e *expansion) lacking(s string) []string {
	if strings.Count(s, "$") > maxUses {
		return nil
	}
	_, missing, _ := e.lex.ProcessWord(s, e.env()) // of a word that is none, nothing is
	return sortedKeys(missing)
}

func (e *expansion) env() shell.EnvGetter {
	list := make([]string, 0, len(e.vars))
	for _, k := range sortedKeys(e.vars) {
		list = append(list, k+"="+e.vars[k])
	}
	return shell.EnvsFromSlice(list)
}
