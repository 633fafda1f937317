package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/buildx/bake"
	"github.com/hashicorp/hcl/v2"

	"rebuild/impact"
)

// fault makes a Fault of an error of bake's: with file, line and column where
// it is a diagnostic.
func (in *input) fault(err error) error {
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		for _, d := range diags {
			if d.Severity == hcl.DiagError {
				return in.diagnosed(d)
			}
		}
	}
	f := &impact.Fault{Path: in.culprit(err), Cause: in.restore(message(err))}
	f.Line = yamlLine(f.Cause)
	return f
}

func (in *input) diagnosed(d *hcl.Diagnostic) *impact.Fault {
	cause := sentence(d.Summary)
	if detail := sentence(d.Detail); detail != "" {
		cause += ": " + detail
	}
	f := &impact.Fault{Cause: in.restore(cause)}
	if d.Subject == nil {
		f.Path = in.first()
		return f
	}
	f.Path = in.outline.path(d.Subject.Filename)
	if f.Path == definer(f.Path) {
		f.Line = d.Subject.Start.Line
		f.Cause += fmt.Sprintf(" (column %d)", d.Subject.Start.Column)
	}
	f.Path = definer(f.Path)
	if in.marked(d.Subject.Filename) {
		f.Hint = "save the file without a byte order mark"
	}
	return f
}

// unshown is an error without what a file says that lies outside of the repository and that
// the user did not name: a definition that came with a clone may name any file that the user
// can read, and logs are seen by others.
func (o Options) unshown(err error) error {
	var f *impact.Fault
	if !errors.As(err, &f) || f.Line == 0 || !isAbs(f.Path) || slices.Contains(o.Files, f.Path) {
		return err
	}
	return &impact.Fault{
		Path: f.Path, Line: f.Line, Cause: "it cannot be read as a definition; what it says is not shown, as it lies outside of the repository",
		Hint: "rebuild -f " + impact.ShellWord(f.Path),
	}
}

// marked tells whether a JSON file begins with a byte order mark, which HCL's
// JSON parser calls an invalid value.
func (in *input) marked(name string) bool {
	return slices.ContainsFunc(in.files, func(f bake.File) bool {
		return f.Name == name && looksJSON(source{path: name}) && bytes.HasPrefix(f.Data, []byte("\ufeff"))
	})
}

// path gives the path of a file that bake knows by name. To a file without
// extension bake appends the one it tries.
func (o *outline) path(name string) string {
	for _, ext := range []string{"", ".hcl", ".json"} {
		if p, ok := o.paths[strings.TrimSuffix(name, ext)]; ok {
			return p
		}
	}
	return name
}

// culprit is the file that an error without a place is about: the one that it
// names, or a compose file when there is one, since bake's own errors have
// places.
func (in *input) culprit(err error) string {
	text := err.Error()
	for _, f := range in.files {
		if strings.Contains(text, f.Name) {
			return definer(in.outline.path(f.Name))
		}
	}
	for _, f := range in.files {
		if kindOf(source{path: f.Name}) == composeKind && strings.Contains(text, "compose") {
			return in.outline.path(f.Name)
		}
	}
	return in.first()
}

func (in *input) first() string {
	if len(in.files) == 0 {
		return ""
	}
	return definer(in.outline.path(in.files[0].Name))
}

// recovered turns a panic of a parser into a Fault that names the files. Our own code has
// no business here: it covers what buildx, hcl and compose-go do with text
// that someone else wrote.
func (in *input) recovered(err *error) {
	if p := recover(); p != nil {
		*err = &impact.Fault{Path: in.first(), Cause: fmt.Sprintf("bake cannot evaluate this definition: %v", p)}
	}
}

// goTypes are the types of YAML values as compose-go names them, and as people do.
var goTypes = map[string]string{
	"<nil>": "null", "bool": "boolean", "int": "number", "uint64": "number", "float64": "number",
	"[]interface {}": "list", "[]any": "list", "map[string]interface {}": "mapping", "map[string]any": "mapping",
}

// goType is where compose-go names one: "invalid type int", "cannot convert int into a mapping".
var goType = regexp.MustCompile(`\b(?:type|use|convert|got) (?:<nil>|(?:bool|int|uint64|float64)\b|(?:\[\]|map\[string\])(?:interface \{\}|any\b))`)

// message is an error's text in our style: one line, lower case, no full stop.
func message(err error) string {
	return sentence(err.Error())
}

func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = goType.ReplaceAllStringFunc(s, func(found string) string {
		word, typ, _ := strings.Cut(found, " ")
		return word + " " + goTypes[typ]
	})
	s = strings.TrimSuffix(s, ".")
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if unicode.IsUpper(first) && (unicode.IsLower(second) || strings.HasPrefix(s, "A ")) { // neither an acronym nor a name
		s = string(unicode.ToLower(first)) + s[n:]
	}
	return s
}

var yamlPlace = regexp.MustCompile(`\bline (\d+)`)

// yamlLine finds the line that a YAML error speaks of, 0 when none. The last
// one counts: before it stands where the broken block began.
func yamlLine(text string) int {
	places := yamlPlace.FindAllStringSubmatch(text, -1)
	if len(places) == 0 || !strings.Contains(text, "yaml") {
		return 0
	}
	n, _ := strconv.Atoi(places[len(places)-1][1])
	return n
}
