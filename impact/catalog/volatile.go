package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/buildx/bake"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The functions of bake whose value is one of time or chance. A catalog that
// is compared with another must not differ by them.
//
// Bake's own functions cannot be shadowed (its parser looks there first), so
// calls of these are renamed, in memory, to functions that an extra file
// defines with fixed values. The new names are as long as the old, so that
// every place in an error message stays right.
var volatileFunctions = []struct{ name, params, result string }{
	{"timestamp", "params = []", `"1970-01-01T00:00:00Z"`},
	{"uuidv4", "params = []", `"00000000-0000-4000-8000-000000000000"`},
	{"bcrypt", "params = [str]\n  variadic_params = cost", `sha256(str)`}, // salted
}

// volatile maps the functions that the files seem to call to their stand-ins.
type volatile map[string]string

// fixed chooses stand-ins that no file uses as a name of its own.
func fixed(files []source) volatile {
	v := volatile{}
	for _, f := range volatileFunctions {
		if !mention(files, f.name) {
			continue
		}
		for c := range strings.SplitSeq("_ 0 1 2 3 4 5 6 7 8 9 a b c d e f", " ") {
			if name := f.name[:len(f.name)-1] + c; !mention(files, name) {
				v[f.name] = name
				break
			}
		}
	}
	return v
}

func mention(files []source, name string) bool {
	return slices.ContainsFunc(files, func(f source) bool { return bytes.Contains(f.data, []byte(name)) })
}

// definition is the file that defines the stand-ins, nil when there are none.
func (v volatile) definition() *bake.File {
	var b strings.Builder
	for _, f := range volatileFunctions {
		if name, ok := v[f.name]; ok {
			fmt.Fprintf(&b, "function %q {\n  %s\n  result = %s\n}\n", name, f.params, f.result)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return &bake.File{Name: "fixed values.hcl", Data: []byte(b.String())}
}

// restore puts the names that the user wrote back into a message.
func (v volatile) restore(text string) string {
	for name, standIn := range v {
		text = strings.ReplaceAll(text, standIn, name)
	}
	return text
}

// fix renames the calls in a file. A file that does not parse is left as it
// is, for bake to report.
func (v volatile) fix(src source) ([]byte, error) {
	if len(v) == 0 {
		return src.data, nil
	}
	if looksJSON(src) {
		return v.fixJSON(src.data), nil
	}
	file, diags := hclsyntax.ParseConfig(src.data, src.path, hcl.InitialPos)
	if diags.HasErrors() {
		return src.data, nil
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return src.data, nil
	}
	return v.rename(src.data, body), nil
}

// fixJSON renames the calls in the templates that JSON strings are.
func (v volatile) fixJSON(data []byte) []byte {
	var out []byte
	done := 0
	for lit := range jsonStrings(data) {
		var text string
		if !hasTemplate(data[lit.start:lit.end]) || json.Unmarshal(data[lit.start:lit.end], &text) != nil {
			continue
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(text), "", hcl.InitialPos)
		if diags.HasErrors() {
			continue
		}
		renamed := v.rename([]byte(text), expr)
		if string(renamed) == text {
			continue
		}
		out = append(out, data[done:lit.start]...)
		out = append(out, quoteJSON(string(renamed))...)
		done = lit.end
	}
	return append(out, data[done:]...)
}

// rename gives text with the names of the calls below node replaced.
func (v volatile) rename(text []byte, node hclsyntax.Node) []byte {
	out := slices.Clone(text)
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			if standIn, ok := v[call.Name]; ok {
				at := call.NameRange.Start.Byte
				if at+len(standIn) <= len(out) && string(out[at:at+len(call.Name)]) == call.Name {
					copy(out[at:], standIn)
				}
			}
		}
		return nil
	})
	return out
}

func quoteJSON(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
