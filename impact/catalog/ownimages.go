package catalog

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/docker/buildx/bake"
)

// ownSuffix ends the name of the file that bake is given for the images of a
// rebuild.yaml.
const ownSuffix = " images.json"

func (doc *document) imagesName() string { return doc.path + ownSuffix }

// definer is the file that the user wrote, for a file that bake reads.
func definer(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path, ownSuffix), servicesSuffix)
}

// places are those of the document's own images.
func (doc *document) places() map[string]block {
	places := map[string]block{}
	for _, im := range doc.images {
		if im.at != "" {
			places[im.name.text] = block{kind: "image", name: im.name.text, path: im.at}
			continue
		}
		places[im.name.text] = block{kind: "image", name: im.name.text, path: doc.path, line: im.name.line}
	}
	return places
}

// bakeFile words the document's own images as a bake file. The keys are the
// same by design.
func (doc *document) bakeFile(opt Options) source {
	var b bytes.Buffer
	b.WriteString(`{"target":{`)
	for i, im := range doc.images {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoteJSON(im.name.text))
		b.WriteByte(':')
		fields, _ := json.Marshal(im.fields(opt)) // strings always encode
		b.Write(fields)
	}
	b.WriteString(`}}`)
	return source{path: doc.imagesName(), data: b.Bytes()}
}

// fields are those of the image in a bake file.
func (im ownImage) fields(opt Options) map[string]any {
	t := im.target(opt)
	out := map[string]any{"context": literal(*t.Context)}
	for key, v := range map[string]*string{"dockerfile": t.Dockerfile, "dockerfile-inline": t.DockerfileInline, "target": t.Target} {
		if v != nil {
			out[key] = literal(*v)
		}
	}
	for key, list := range map[string][]string{"tags": t.Tags, "platforms": t.Platforms} {
		if len(list) > 0 {
			out[key] = literals(list)
		}
	}
	args := map[string]string{}
	for name, value := range t.Args {
		args[literal(name)] = literal(*value)
	}
	if len(args) > 0 {
		out["args"] = args
	}
	contexts := map[string]string{}
	for name, value := range t.Contexts {
		contexts[literal(name)] = literal(value)
	}
	if len(contexts) > 0 {
		out["contexts"] = contexts
	}
	return out
}

// target is the image as bake's own.
func (im ownImage) target(opt Options) *bake.Target {
	here := "."
	t := &bake.Target{Name: im.name.text, Context: &here, Args: map[string]*string{}, Contexts: map[string]string{}}
	given := func(v *text, to **string) {
		if v != nil {
			*to = &v.text
		}
	}
	given(im.context, &t.Context)
	given(im.dockerfile, &t.Dockerfile)
	given(im.inline, &t.DockerfileInline)
	given(im.stage, &t.Target)
	t.Tags, t.Platforms = texts(im.tags), texts(im.platforms)
	if v, _ := opt.lookup(defaultPlatform); v != "" && len(im.platforms) == 0 { // as for docker build
		t.Platforms = []string{v}
	}
	for _, a := range im.args {
		if a.value != nil {
			t.Args[a.name] = a.value
		} else if v, ok := opt.lookup(a.name); ok {
			opt.given.note(a.name, v)
			t.Args[a.name] = &v
		}
	}
	for _, p := range im.contexts {
		t.Contexts[p.key.text] = p.value.text
	}
	return t
}

// evaluateOwn is evaluate for a document whose own images are all there is, and whose names
// are made by us: bake's parser takes most of the time that hundreds of them need.
func (doc *document) evaluateOwn(opt Options) *evaluation {
	ev := newEvaluation(&outline{byName: map[string]int{}})
	cfg := &bake.Config{}
	places := doc.places()
	for i, im := range doc.images {
		cfg.Targets = append(cfg.Targets, im.target(opt))
		ev.outline.byName[im.name.text] = i
		ev.outline.targets = append(ev.outline.targets, places[im.name.text])
	}
	ev.resolve(cfg)
	return ev
}

// literal escapes what HCL would take for a template.
func literal(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "${", "$${"), "%{", "%%{")
}

func literals(list []string) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = literal(t)
	}
	return out
}
