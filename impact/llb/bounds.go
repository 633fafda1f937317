package llb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"rebuild/impact"
)

// BuildKit's conversion cannot be interrupted, and a Dockerfile of forty lines can ask it
// for a terabyte. What it will take is found out before. Generated Dockerfiles of 628
// stages with 1,390 mounts are real, and have to be far from each bound.
const (
	// maxText is the size of one Dockerfile, in bytes. Real ones are below 300 KB; parsing takes
	// fifty times the text in memory where each line continues the one before.
	maxText = 4 << 20

	// maxFlags is how many flags, mounts above all, its instructions have. A mount takes some
	// 5 KiB and 30 µs: with more, a plan would come to half a gigabyte.
	maxFlags = 20_000

	// maxInstructions of one Dockerfile, with those that ONBUILD adds. A conversion takes
	// time with the square of them (llb.State.getValue walks all that came before): 8,000 of
	// one stage take about 3 s. More would let a plan take longer than people wait.
	maxInstructions = 8000

	// maxInherited is how many instructions the stages have from those that they are built
	// on, all together. Each stage keeps a history of its own, of some 100 bytes for
	// each: with more, a plan takes gigabytes.
	maxInherited = 2_000_000

	// maxExpanded is how much text the variables of one Dockerfile come to, in bytes: where they are
	// used, and in the environment that each RUN has. A thousand RUNs with 3 KiB each are 3
	// MiB; a conversion holds all of it some five times.
	maxExpanded = 32 << 20

	// maxPatterns of an ignore file, and maxDeep of the ** in them. Each file of the context is held against each pattern,
	// in some 50 ns, and in as much again for each **: a context of 20,000
	// files takes 5 s. Written by hand, they are some hundreds.
	maxPatterns = 5000
	maxDeep     = 2000

	// unknownValue is how long a variable is taken for that the base image may have set, in
	// bytes, until that image is known.
	unknownValue = 1 << 10
)

// checkBounds refuses a Dockerfile that no conversion should be given. What is wrong with
// it otherwise is the conversion's to report.
func checkBounds(im impact.Image, src dockerfile) *impact.Fault {
	text, err := parse(src.bytes())
	if err != nil {
		return nil
	}
	if len(text.all) > maxInstructions {
		return tooMuch(im, text.all[maxInstructions].StartLine, fmt.Sprintf("more than %d instructions", maxInstructions))
	}
	flags := 0
	for _, n := range text.all {
		if flags += len(n.Flags); flags > maxFlags {
			return tooMuch(im, n.StartLine, fmt.Sprintf("more than %d flags of instructions", maxFlags))
		}
	}
	if f := checkInherited(im, text.stages); f != nil {
		return f
	}
	f, _ := checkExpansion(im, text, unknownValue)
	return f
}

// checkBase refuses what a base image adds: variables, and instructions for its children.
func checkBase(im impact.Image, src dockerfile, config []byte) *impact.Fault {
	var base struct {
		Config struct {
			Env     []string
			OnBuild []string
		} `json:"config"`
	}
	if json.Unmarshal(config, &base) != nil {
		return nil // the conversion's to report
	}
	longest := 0
	for _, kv := range base.Config.Env {
		longest = max(longest, len(kv))
	}
	if triggers := base.Config.OnBuild; len(triggers) > 0 {
		if len(triggers)*len(src.stages) > maxInstructions {
			return tooMuch(im, 0, fmt.Sprintf("more than %d instructions, with those of ONBUILD", maxInstructions))
		}
		if text, err := parse([]byte("FROM base\n" + strings.Join(triggers, "\n"))); err == nil {
			f, made := checkExpansion(im, text, max(longest, unknownValue))
			if f != nil {
				f.Line = 0
				return f
			}
			longest = max(longest, made)
		}
	}
	if longest <= unknownValue {
		return nil
	}
	text, err := parse(src.bytes())
	if err != nil {
		return nil
	}
	f, _ := checkExpansion(im, text, longest)
	return f
}

// parsed is a Dockerfile's text as BuildKit parses it.
type parsed struct {
	escape   rune
	all      []*parser.Node
	stages   []instructions.Stage
	metaArgs []instructions.ArgCommand
}

func parse(text []byte) (parsed, error) {
	res, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return parsed{}, err
	}
	p := parsed{escape: res.EscapeToken, all: res.AST.Children}
	if len(p.all) <= maxInstructions {
		p.stages, p.metaArgs, err = instructions.Parse(res.AST, unheard)
	}
	return p, err
}

func tooMuch(im impact.Image, line int, what string) *impact.Fault {
	return &impact.Fault{Path: im.DockerfileName(), Line: line, Cause: "Dockerfile is given up: " + what, Hint: "split it into several Dockerfiles"}
}

func checkInherited(im impact.Image, stages []instructions.Stage) *impact.Fault {
	depth := map[string]int{} // stage -> its instructions, with those that it inherits
	inherited := 0
	for _, s := range stages {
		from := depth[strings.ToLower(s.BaseName)]
		if inherited += from; inherited > maxInherited {
			return tooMuch(im, line(s.Location), fmt.Sprintf("its stages inherit more than %d instructions from each other", maxInherited))
		}
		if s.Name != "" {
			depth[strings.ToLower(s.Name)] = from + len(s.Commands)
		}
	}
	return nil
}

func line(at []parser.Range) int {
	if len(at) == 0 {
		return 0
	}
	return at[0].Start.Line
}

// checkExpansion follows the variables as the conversion will, with BuildKit's own
// lexer, and stops when they come to too much. A variable that a base may have set is as
// long as unknown. It gives the length of the longest value.
func checkExpansion(im impact.Image, text parsed, unknown int) (*impact.Fault, int) {
	e := &expansion{lex: shell.NewLex(text.escape), args: im.Args, unknown: strings.Repeat("x", unknown)}
	over := func(at []parser.Range) *impact.Fault {
		if e.text <= maxExpanded {
			return nil
		}
		f := tooMuch(im, line(at), fmt.Sprintf("its variables come to more than %d MiB of text", maxExpanded>>20))
		f.Hint = "look for a variable that is made of itself, or of another one several times"
		return f
	}
	global := &variables{values: map[string]string{}}
	e.vars = global
	for _, a := range text.metaArgs {
		e.arg(&a, nil)
		if f := over(a.Location()); f != nil {
			return f, 0
		}
	}
	named := map[string]*variables{}
	for _, s := range text.stages {
		e.vars = &variables{values: global.values}
		e.word(s.BaseName)
		e.word(s.Platform)
		from, inside := named[strings.ToLower(s.BaseName)]
		if !inside {
			from = &variables{values: map[string]string{}, based: !strings.EqualFold(s.BaseName, "scratch")}
		}
		e.take(from)
		if f := over(s.Location); f != nil {
			return f, 0
		}
		for _, c := range s.Commands {
			e.command(c, global)
			if f := over(c.Location()); f != nil {
				return f, 0
			}
		}
		if s.Name != "" {
			named[strings.ToLower(s.Name)] = e.vars
		}
	}
	return nil, e.longest
}

// expansion is how much text came of variables so far.
type expansion struct {
	lex  *shell.Lex
	args map[string]string // build arguments given
	vars *variables
	text int // bytes

	unknown string // stands for a value that the base may have set
	longest int    // value so far, in bytes
}

// variables are those of one stage.
type variables struct {
	values map[string]string
	size   int  // of names and values, in bytes
	based  bool // on an image that may have set others
}

// take begins a stage that is built on another one.
func (e *expansion) take(from *variables) {
	e.spend(from.size)
	e.vars = &variables{values: maps.Clone(from.values), size: from.size, based: from.based}
}

func (e *expansion) set(name, value string) {
	if old, ok := e.vars.values[name]; ok {
		e.vars.size -= len(name) + len(old)
	}
	e.vars.values[name] = value
	e.vars.size += len(name) + len(value)
	e.longest = max(e.longest, len(value))
}

func (e *expansion) command(c instructions.Command, global *variables) {
	if c, ok := c.(*instructions.ArgCommand); ok {
		e.arg(c, global)
		return
	}
	if ex, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		_ = ex.Expand(e.word) // the conversion's to report
	}
	if ex, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok {
		_ = ex.ExpandRaw(e.word)
	}
	switch c := c.(type) {
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			e.set(kv.Key, kv.Value)
		}
	case *instructions.RunCommand:
		e.spend(e.vars.size)                        // the environment that it has
		_, _ = e.word(strings.Join(c.CmdLine, " ")) // the step's name has the values
	}
}

// arg takes up build arguments: as given, else as defined, else as defined above the first
// FROM.
func (e *expansion) arg(c *instructions.ArgCommand, global *variables) {
	for _, a := range c.Args {
		switch given, ok := e.args[a.Key]; {
		case ok:
			e.set(a.Key, given)
		case a.Value != nil:
			value, _ := e.word(*a.Value)
			e.set(a.Key, value)
		case global != nil:
			if value, ok := global.values[a.Key]; ok {
				e.set(a.Key, value)
			}
		}
	}
}

// word expands a word, as long as the text stays within its bound.
func (e *expansion) word(word string) (string, error) {
	if !strings.Contains(word, "$") {
		return word, nil
	}
	value, _, err := e.lex.ProcessWord(word, &uses{expansion: e, word: word})
	if e.text > maxExpanded {
		return "", err
	}
	return value, err
}

func (e *expansion) spend(bytes int) { e.text = min(e.text+bytes, maxExpanded+1) }

// uses counts the values that a word is given.
type uses struct {
	*expansion
	word  string
	given int // bytes so far
}

// Get gives the value of a variable; none when there is too much text already.
func (u *uses) Get(name string) (string, bool) {
	value, ok := u.vars.values[name]
	if !ok && u.vars.based {
		value, ok = u.unknown, true
		if strings.Contains(u.word, "${"+name+":") || strings.Contains(u.word, "${"+name+"-") {
			value += strings.Repeat("x", min(u.given, maxExpanded)) // ${NAME:-TEXT}: without a value it would be the text
		}
	}
	size := len(value) * u.growth(name)
	u.given += size
	if u.spend(size); u.text > maxExpanded {
		return "", ok
	}
	return value, ok
}

// growth is by what a value may grow where it is used: ${NAME//PATTERN/TEXT} can put the text
// in place of each letter.
func (u *uses) growth(name string) int {
	_, operand, found := strings.Cut(u.word, "${"+name+"/")
	if !found {
		return 1
	}
	inner, _, _ := strings.Cut(operand, "}")
	if strings.Contains(inner, "$") || strings.Contains(operand, "${"+name+"/") { // in each other, or several
		return min(len(u.word)+u.given, maxExpanded)
	}
	return len(inner)
}

// Keys lists the variables.
func (u *uses) Keys() []string {
	return slices.Collect(maps.Keys(u.vars.values))
}

// checkPatterns refuses an ignore file that would be held against files for too long.
func checkPatterns(file, text string, patterns []string) error {
	deep := 0
	for i, p := range patterns {
		what := ""
		switch deep += strings.Count(p, "**"); {
		case i >= maxPatterns:
			what = fmt.Sprintf("more than %d patterns", maxPatterns)
		case deep > maxDeep:
			what = fmt.Sprintf("more than %d ** in its patterns", maxDeep)
		default:
			continue
		}
		return &impact.Fault{Path: file, Line: lineOf(text, p), Cause: "ignore file is given up: " + what, Hint: "name folders instead of the files in them"}
	}
	return nil
}
