package catalog

import (
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"rebuild/impact"
)

// The parsers and evaluators of HCL and its JSON are recursive, and a stack
// that Go cannot grow any more ends the process: no recover helps. So the
// nesting of a text is bounded before they see it. Real definitions nest some
// ten deep; a level costs them a few kilobytes of stack, of the gigabyte there
// is. What a definition computes, a matrix of a million targets or a string of
// gigabytes, is bounded elsewhere (bounds.go, impact/budget).
const (
	maxDepth     = 500    // of brackets, one in another
	maxOperators = 20_000 // in one file: a chain of them nests too
	maxIndexes   = 100_000
)

// nesting is what the recursion of the parsers can come to.
type nesting struct {
	depth, operators, indexes int
}

// checkNesting refuses a definition that no parser should be given.
func checkNesting(src source) error {
	var n nesting
	if looksJSON(src) {
		n.ofJSON(src.data)
	} else {
		tokens, _ := hclsyntax.LexConfig(src.data, src.path, hcl.InitialPos)
		n.ofTokens(tokens)
	}
	if n.depth > maxDepth || n.operators > maxOperators || n.indexes > maxIndexes {
		return &impact.Fault{Path: definer(src.path), Cause: "definition is nested too deeply"}
	}
	return nil
}

func (n *nesting) ofTokens(tokens hclsyntax.Tokens) {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			depth++
		case hclsyntax.TokenOBrack:
			depth++
			n.indexes++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			depth = max(0, depth-1)
		case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenPercent,
			hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq,
			hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenBang, hclsyntax.TokenQuestion:
			n.operators++
		}
		if t.Type == hclsyntax.TokenTemplateControl {
			n.operators++ // %{if} nests until its %{endif}
		}
		n.depth = max(n.depth, depth)
	}
}

func (n *nesting) ofJSON(data []byte) {
	depth, at := 0, 0
	count := func(text []byte) {
		for _, c := range text {
			switch c {
			case '{', '[':
				depth++
			case '}', ']':
				depth = max(0, depth-1)
			}
			n.depth = max(n.depth, depth)
		}
	}
	for lit := range jsonStrings(data) {
		count(data[at:lit.start])
		at = lit.end
		var text string
		if hasTemplate(data[lit.start:lit.end]) && json.Unmarshal(data[lit.start:lit.end], &text) == nil {
			tokens, _ := hclsyntax.LexTemplate([]byte(text), "", hcl.InitialPos)
			n.ofTokens(tokens)
		}
	}
	count(data[at:])
}
