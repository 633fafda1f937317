package catalog

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"rebuild/impact"
	"rebuild/impact/budget"
)

// maxBlocks bounds how many images, groups and variables a definition has, each by itself. The largest
// repositories known have some hundreds. Bake's evaluation takes time with the square of
// their number, 700 targets a second and 2,000 targets three: with more, the budget for
// reading would end it, late and without a line.
const maxBlocks = 5000

// tooMany is the error of a definition that has more of something than is read.
func tooMany(at block, what string) *impact.Fault {
	return &impact.Fault{
		Path: at.path, Line: at.line,
		Cause: fmt.Sprintf("definition has more than %d %s", maxBlocks, what),
		Hint:  "split it into several definitions, and name the one to use: rebuild -f FILE",
	}
}

// combinations is how many targets the matrix of a block makes, as far as its lists are
// written out; 1 when there is none. Others are left to the budget.
func combinations(body hcl.Body) int {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "matrix"}}})
	if content == nil || content.Attributes["matrix"] == nil {
		return 1
	}
	axes, _ := hcl.ExprMap(content.Attributes["matrix"].Expr)
	n := 1
	for _, axis := range axes {
		if values, diags := hcl.ExprList(axis.Value); !diags.HasErrors() {
			n = min(n*len(values), maxBlocks+1)
		}
	}
	return n
}

// costly is the error of a definition that was given up: a *impact.Fault and a
// *budget.Exceeded.
type costly struct {
	fault *impact.Fault
	over  *budget.Exceeded
}

func tooCostly(name string, over *budget.Exceeded) error {
	return &costly{over: over, fault: &impact.Fault{
		Path: definer(name), Cause: "definition is given up: " + over.Cause,
		Hint: "look for what multiplies: nested for, a matrix, variables or aliases made of each other; another definition is read with rebuild -f FILE",
	}}
}

func (e *costly) Error() string   { return e.fault.Error() }
func (e *costly) Unwrap() []error { return []error{e.fault, e.over} }
