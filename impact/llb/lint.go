package llb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"

	"rebuild/impact"
)

// unheard is the linter of what is parsed beside a conversion. Without one, a comment
// "# check=" above an instruction is a nil pointer to BuildKit.
var unheard = linter.New(&linter.Config{})

// violations are the linter's warnings of one conversion.
type violations struct {
	mu    sync.Mutex
	found []violation // guarded by mu
}

type violation struct {
	line       int
	rule, text string
}

// lint has a conversion gather the linter's warnings, where they are errors of the
// build ("# check=error=true", or the argument BUILDKIT_DOCKERFILE_CHECK). Elsewhere
// it returns nil and nothing is linted.
func lint(opt *dockerfile2llb.ConvertOpt, bc *dockerui.Client, src *dockerui.Source) *violations {
	// As newRuleLinter of dockerfile2llb/convert.go chooses.
	config := bc.LinterConfig
	if config == nil {
		directive, _, _, _ := parser.ParseDirective("check", src.Data)
		var err error
		if config, err = linter.ParseLintOptions(directive); err != nil {
			return nil // the conversion reports it
		}
	}
	if !config.ReturnAsError {
		return nil
	}
	v := &violations{}
	opt.Warn = func(rule, _, _, text string, at []parser.Range) {
		line := 0
		if len(at) > 0 {
			line = at[0].Start.Line
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.found = append(v.found, violation{line, rule, text})
	}
	return v
}

// fault is the error of a conversion. That of the linter has no line and names all
// rules in any order, so the first warning is said in its place.
func (v *violations) fault(im impact.Image, err error) error {
	if v == nil || len(v.found) == 0 || !strings.Contains(err.Error(), "lint violation found") {
		return faultOf(im, err)
	}
	first := slices.MinFunc(v.found, func(a, b violation) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.rule, b.rule), cmp.Compare(a.text, b.text))
	})
	return &impact.Fault{Path: im.DockerfileName(), Line: first.line, Cause: fmt.Sprintf("%s: %s (an error by the check directive)", first.rule, printable(first.text))}
}
