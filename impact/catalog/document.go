package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rebuild/impact"
)

// document is a rebuild.yaml.
type document struct {
	path        string
	data        []byte
	definitions []text
	images      []ownImage
	leftOut     []text // patterns of images that nobody wants
	phases      []phase
	ignoreArgs  []string
	onSuccess   string            // command of a watch, after each image
	commands    map[string]string // the same, of single images
}

// commandFor is the command that a watch runs after an image.
func (doc *document) commandFor(image string) string {
	if c, ok := doc.commands[image]; ok {
		return c
	}
	return doc.onSuccess
}

// ownImage is an image that rebuild.yaml itself defines.
type ownImage struct {
	name       text
	at         string // the Dockerfile that it was found by; "" when the document names it
	dockerfile *text
	inline     *text // text of the Dockerfile, instead of its name
	context    *text
	stage      *text // "target" in the file
	tags       []text
	platforms  []text
	args       []arg
	contexts   []pair
	onSuccess  *text
}

// arg is a build argument; without a value it is taken from the environment,
// as "docker build --build-arg NAME" does.
type arg struct {
	name  string
	value *string
}

// phase is a phase as declared.
type phase struct {
	name     text
	patterns []text
	critical bool
	optional bool
	onPush   string
	derive   *derivation
}

// derivation makes images out of others.
type derivation struct {
	spot
	from       []text
	rename     []pair
	replace    []pair
	substitute []pair
}

// imageName is what bake allows for the name of a target.
var imageName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// parseDocument reads a rebuild.yaml strictly.
func parseDocument(src source) (doc *document, err error) {
	doc = &document{path: src.path, data: src.data}
	defer func() {
		// The YAML parser is not ours, and the text may be anyone's.
		if p := recover(); p != nil {
			doc, err = nil, &impact.Fault{Path: src.path, Cause: fmt.Sprintf("not YAML: %v", p)}
		}
	}()
	root, err := parseYAML(src)
	if err != nil {
		return nil, err
	}
	s := &strict{path: src.path}
	if root != nil {
		doc.read(s, root, "rebuild.yaml")
	}
	if s.first == nil {
		doc.check(s)
	}
	if s.first != nil {
		return nil, s.first
	}
	return doc, nil
}

// parseYAML gives the root of the one document of a file, nil when it is empty.
func parseYAML(src source) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src.data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, yamlFault(src, err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil && len(second.Content) > 0 {
		return nil, &impact.Fault{Path: src.path, Line: second.Content[0].Line, Cause: "a second document: there can be one only"}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlFault(src, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}
	return doc.Content[0], nil
}

// yamlFault places an error of the YAML parser, and says what it cannot: that
// a tab is what it stumbled over.
func yamlFault(src source, err error) *impact.Fault {
	f := &impact.Fault{Path: src.path, Cause: message(err), Line: yamlLine("yaml " + err.Error())}
	if f.Line == 0 {
		return f
	}
	f.Cause = strings.TrimPrefix(f.Cause, "yaml: ")
	f.Cause = strings.TrimPrefix(f.Cause, fmt.Sprintf("line %d: ", f.Line))
	if strings.HasPrefix(f.Cause, "did not find expected") {
		f.Line++ // go.yaml.in/yaml v3 counts the lines of its scanner from 1, those of its parser from 0
	}
	lines := bytes.Split(src.data, []byte("\n"))
	for _, n := range []int{f.Line, f.Line + 1} { // the parser counts a token's line, or the one before
		if n <= len(lines) && indentedByTab(lines[n-1]) {
			f.Line, f.Cause = n, "a tab cannot indent YAML: use spaces"
			break
		}
	}
	return f
}

func indentedByTab(line []byte) bool {
	return bytes.ContainsRune(line[:len(line)-len(bytes.TrimLeft(line, " \t"))], '\t')
}

func (doc *document) read(s *strict, root *yaml.Node, where string) {
	s.fields(root, where, map[string]func(*yaml.Node){
		"definitions": func(n *yaml.Node) {
			if dealias(n).Kind == yaml.SequenceNode {
				doc.definitions = s.list(n, "definitions")
			} else {
				doc.definitions = []text{s.filled(n, "definitions")}
			}
		},
		"images": func(n *yaml.Node) {
			for _, e := range s.entries(n, "images") {
				if isFalse(e.value) {
					doc.leftOut = append(doc.leftOut, e.key)
					continue
				}
				im := readImage(s, e)
				doc.images = append(doc.images, im)
				if im.onSuccess != nil {
					doc.setCommand(im.name.text, im.onSuccess.text)
				}
			}
		},
		"phases": func(n *yaml.Node) {
			n = dealias(n)
			if n.Kind != yaml.SequenceNode {
				s.fail(spotOf(n), "phases must be a list, not %s", describe(n))
				return
			}
			for i, item := range n.Content {
				doc.phases = append(doc.phases, readPhase(s, item, fmt.Sprintf("phases[%d]", i)))
			}
		},
		"on_success": func(n *yaml.Node) { doc.onSuccess = s.filled(n, "on_success").text },
		"ignore_args": func(n *yaml.Node) {
			for _, t := range s.list(n, "ignore_args") {
				doc.ignoreArgs = append(doc.ignoreArgs, t.text)
			}
		},
	})
}

// isFalse tells an image that is left out.
func isFalse(n *yaml.Node) bool {
	n = dealias(n)
	var b bool
	return n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && n.Decode(&b) == nil && !b
}

func readImage(s *strict, e entry) ownImage {
	im := ownImage{name: e.key}
	where := "image " + e.key.text
	one := func(to **text, key string) func(*yaml.Node) {
		return func(n *yaml.Node) { t := s.filled(n, where+"."+key); *to = &t }
	}
	s.fields(e.value, where, map[string]func(*yaml.Node){
		"dockerfile": one(&im.dockerfile, "dockerfile"),
		"context":    one(&im.context, "context"),
		"target":     one(&im.stage, "target"),
		"on_success": one(&im.onSuccess, "on_success"),
		"tags":       func(n *yaml.Node) { im.tags = s.list(n, where+".tags") },
		"platforms":  func(n *yaml.Node) { im.platforms = s.list(n, where+".platforms") },
		"contexts":   func(n *yaml.Node) { im.contexts = s.pairs(n, where+".contexts") },
		"args":       func(n *yaml.Node) { im.args = readArgs(s, n, where+".args") },

		"dockerfile_inline": one(&im.inline, "dockerfile_inline"),
	})
	return im
}

func readArgs(s *strict, n *yaml.Node, where string) []arg {
	var out []arg
	for _, e := range s.entries(n, where) {
		a := arg{name: e.key.text}
		if dealias(e.value).Tag != "!!null" {
			t := s.str(e.value, where+"."+e.key.text)
			a.value = &t.text
		}
		out = append(out, a)
	}
	return out
}

func readPhase(s *strict, n *yaml.Node, where string) phase {
	ph := phase{name: text{spot: spotOf(dealias(n))}}
	s.fields(n, where, map[string]func(*yaml.Node){
		"name":     func(n *yaml.Node) { ph.name = s.filled(n, where+".name") },
		"images":   func(n *yaml.Node) { ph.patterns = s.list(n, where+".images") },
		"critical": func(n *yaml.Node) { ph.critical = s.boolean(n, where+".critical") },
		"optional": func(n *yaml.Node) { ph.optional = s.boolean(n, where+".optional") },
		"on_push":  func(n *yaml.Node) { ph.onPush = s.oneOf(n, where+".on_push", "build", "warn", "skip") },
		"derive":   func(n *yaml.Node) { ph.derive = readDerivation(s, n, where+".derive") },
	})
	return ph
}

func readDerivation(s *strict, n *yaml.Node, where string) *derivation {
	d := &derivation{spot: spotOf(dealias(n))}
	s.fields(n, where, map[string]func(*yaml.Node){
		"from":       func(n *yaml.Node) { d.from = s.list(n, where+".from") },
		"rename":     func(n *yaml.Node) { d.rename = s.pairs(n, where+".rename") },
		"replace":    func(n *yaml.Node) { d.replace = s.pairs(n, where+".replace") },
		"substitute": func(n *yaml.Node) { d.substitute = s.pairs(n, where+".substitute") },
	})
	return d
}

// check finds what is well-formed and wrong.
func (doc *document) check(s *strict) {
	for _, im := range doc.images {
		if !imageName.MatchString(im.name.text) {
			s.fail(im.name.spot, "image name %q: only letters, digits, _ and - are allowed", im.name.text)
		}
		if im.dockerfile != nil && im.inline != nil {
			s.fail(im.inline.spot, "image %s has a dockerfile and a dockerfile_inline: only one of them can be", im.name.text)
		}
	}
	checkPatterns(s, doc.leftOut)
	for i, ph := range doc.phases {
		switch {
		case ph.name.text == "":
			s.fail(ph.name.spot, "phases[%d] has no name", i)
		case slices.ContainsFunc(doc.phases[:i], func(p phase) bool { return p.name.text == ph.name.text }):
			s.fail(ph.name.spot, "phase %q is declared twice", ph.name.text)
		case len(ph.patterns) == 0 && ph.derive == nil:
			s.fail(ph.name.spot, "phase %q has neither images nor derive", ph.name.text)
		}
		checkPatterns(s, ph.patterns)
		if d := ph.derive; d != nil {
			checkPatterns(s, d.from)
			if len(d.from) == 0 {
				s.fail(d.spot, "derive in phase %q has no from", ph.name.text)
			}
			if len(d.rename) == 0 {
				s.fail(d.spot, "derive in phase %q has no rename: its images would be those that they are derived from", ph.name.text)
			}
		}
	}
}

func checkPatterns(s *strict, patterns []text) {
	for _, p := range patterns {
		if err := badPattern(p.text); err != nil {
			s.fail(p.spot, "%v", err)
		}
	}
}

func (doc *document) setCommand(image, command string) {
	if doc.commands == nil {
		doc.commands = map[string]string{}
	}
	doc.commands[image] = command
}

// empty tells whether the document says nothing at all.
func (doc *document) empty() bool {
	return len(doc.definitions) == 0 && len(doc.images) == 0 && len(doc.leftOut) == 0 && len(doc.phases) == 0 && len(doc.ignoreArgs) == 0 && doc.onSuccess == ""
}

// imageNames are the names of the document's own images.
func (doc *document) imageNames() []string {
	if doc == nil {
		return nil
	}
	var names []string
	for _, im := range doc.images {
		names = append(names, im.name.text)
	}
	return names
}

func (doc *document) fault(at text, format string, args ...any) *impact.Fault {
	return &impact.Fault{Path: doc.path, Line: at.line, Cause: at.worded(fmt.Sprintf(format, args...))}
}

// at gives an error the place of a text of the document.
func (doc *document) at(t text, err error) error {
	return doc.fault(t, "%s", cause(err))
}
