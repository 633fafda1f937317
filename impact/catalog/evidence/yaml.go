package evidence

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parsed gives the documents of a YAML text; none when it is no YAML.
func parsed(text []byte) (docs []*yaml.Node) {
	defer func() {
		if recover() != nil { // the YAML parser's, on text that may be anyone's
			docs = nil
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return docs
		}
		if len(doc.Content) > 0 {
			docs = append(docs, doc.Content[0])
		}
	}
}

// field gives what a mapping has under a key; an empty node when it has nothing.
func field(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		next := &yaml.Node{}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = n.Content[i+1]
				}
			}
		}
		n = next
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// entries are the values of a mapping or the items of a list.
func entries(n *yaml.Node) []*yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		var out []*yaml.Node
		for i := 1; i < len(n.Content); i += 2 {
			out = append(out, n.Content[i])
		}
		return out
	case yaml.SequenceNode:
		return n.Content
	}
	return nil
}

// expression is what a workflow computes.
var expression = regexp.MustCompile(`\$\{\{[^}]*\}\}`)

// workflow reads the steps of a GitHub workflow. They run in the root of the tree.
func workflow(name string, text []byte) Found {
	var out Found
	if !speaks(text) {
		return out
	}
	for _, doc := range parsed(text) {
		for _, job := range entries(field(doc, "jobs")) {
			dir := field(job, "defaults", "run", "working-directory").Value
			for _, step := range entries(field(job, "steps")) {
				action, _, _ := strings.Cut(field(step, "uses").Value, "@")
				with := field(step, "with")
				switch {
				case action == "docker/build-push-action":
					if b, ok := buildAction(with); ok {
						b.Where = fmt.Sprintf("%s:%d", name, field(step, "uses").Line)
						out.Builds = append(out.Builds, b)
					}
				case action == "docker/bake-action":
					workdir := field(with, "workdir").Value
					for _, file := range listed(field(with, "files").Value, true) {
						if at := join(workdir, file); at != "" && !expression.MatchString(at) {
							out.Definitions = append(out.Definitions, at)
						}
					}
				case field(step, "run").Value != "":
					out = out.with(runStep(name, field(step, "run"), firstOf(field(step, "working-directory").Value, dir)))
				}
			}
		}
	}
	return out
}

func (f Found) with(o Found) Found {
	return Found{Builds: slices.Concat(f.Builds, o.Builds), Definitions: slices.Concat(f.Definitions, o.Definitions)}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return "."
}

// runStep reads the commands of a step.
func runStep(name string, run *yaml.Node, dir string) Found {
	if at := join(".", dir); at == "" || expression.MatchString(dir) {
		return Found{}
	}
	s := &shell{name: name, dirs: []string{path.Clean(dir)}}
	s.read([]byte(expression.ReplaceAllString(run.Value, "$${COMPUTED}")), lineBefore(run))
	return s.found
}

// lineBefore is the line before the first of a text.
func lineBefore(n *yaml.Node) int {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Line
	}
	return n.Line - 1
}

// listed splits an input of an action: by lines, and by commas where that is its way.
func listed(text string, commas bool) []string {
	var out []string
	for line := range strings.Lines(text) {
		parts := []string{line}
		if commas {
			parts = strings.Split(line, ",")
		}
		for _, part := range parts {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// buildAction reads the inputs of docker/build-push-action. Its default context is the
// repository itself, as git has it; {{defaultContext}} is that, too.
func buildAction(with *yaml.Node) (Build, bool) {
	b := Build{Dirs: []string{"."}, Context: firstOf(field(with, "context").Value), Dockerfile: field(with, "file").Value, Target: field(with, "target").Value, Args: map[string]string{}}
	if rest, ok := strings.CutPrefix(strings.ReplaceAll(b.Context, " ", ""), "{{defaultContext}}"); ok {
		b.Context = firstOf(strings.TrimPrefix(rest, ":"))
		b.InContext = true
	}
	if b.Dockerfile == "" {
		b.Dockerfile, b.InContext = "Dockerfile", true
	}
	for _, text := range []string{b.Context, b.Dockerfile, b.Target} {
		if strings.ContainsAny(text, "${}") {
			return b, false
		}
	}
	if isElsewhere(b.Context) || field(with, "build-contexts").Value != "" {
		return b, false
	}
	for _, tag := range listed(field(with, "tags").Value, true) {
		if !strings.ContainsAny(tag, "${}") {
			b.Tags = append(b.Tags, tag)
		}
	}
	for _, arg := range listed(field(with, "build-args").Value, false) {
		if k, v, ok := strings.Cut(arg, "="); ok && !strings.ContainsAny(arg, "${}") {
			b.Args[k] = v
		} else {
			b.Computed = true
		}
	}
	return b, true
}

// gitLab reads the scripts of the jobs of a GitLab CI file. They run in the root of the tree,
// the lines of a job one after the other.
func gitLab(name string, text []byte) Found {
	var out Found
	if !speaks(text) {
		return out
	}
	for _, doc := range parsed(text) {
		before := field(doc, "before_script")
		for _, job := range append(entries(doc), doc) {
			s := &shell{name: name, dirs: []string{"."}}
			if own := field(job, "before_script"); job == doc || own.Kind != 0 {
				s.lines(own)
			} else {
				s.lines(before)
				s.found = Found{} // it is counted once; here the folder is enough
			}
			s.lines(field(job, "script"))
			out = out.with(s.found)
		}
	}
	return out
}

// lines reads the lines of a GitLab script, which may be lists in lists.
func (s *shell) lines(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		s.read([]byte(n.Value), lineBefore(n))
	}
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			s.lines(item)
		}
	}
}

// skaffold reads the artifacts of a skaffold.yaml. Their contexts count from its folder, their
// Dockerfiles from the context; an artifact is given the tag of each that it requires as
// a build argument.
func skaffold(name string, text []byte) Found {
	var out Found
	for _, doc := range parsed(text) {
		for _, a := range entries(field(doc, "build", "artifacts")) {
			image := field(a, "image").Value
			docker := field(a, "docker")
			b := Build{
				Where: fmt.Sprintf("%s:%d", name, a.Line), Dirs: []string{path.Dir(name)}, Context: firstOf(field(a, "context").Value),
				Dockerfile: firstOf(field(docker, "dockerfile").Value), InContext: true, Target: field(docker, "target").Value,
				Args: map[string]string{}, Requires: map[string]string{},
			}
			if b.Dockerfile == "." {
				b.Dockerfile = "Dockerfile"
			}
			if image == "" || field(a, "custom").Kind != 0 || field(a, "buildpacks").Kind != 0 || field(a, "jib").Kind != 0 || field(a, "bazel").Kind != 0 || field(a, "ko").Kind != 0 {
				continue
			}
			if !strings.Contains(image, "{{") {
				b.Tags = []string{image}
			}
			args := field(docker, "buildArgs")
			for i := 0; args.Kind == yaml.MappingNode && i+1 < len(args.Content); i += 2 {
				if v := args.Content[i+1]; v.Kind == yaml.ScalarNode && !strings.Contains(v.Value, "{{") && v.Tag != "!!null" {
					b.Args[args.Content[i].Value] = v.Value
				} else {
					b.Computed = true
				}
			}
			for _, r := range entries(field(a, "requires")) {
				of := field(r, "image").Value
				if alias := firstOf(field(r, "alias").Value, of); of != "" {
					b.Requires[alias] = of
				}
			}
			out.Builds = append(out.Builds, b)
		}
	}
	return out
}
