package catalog

import (
	"bytes"
	"encoding/json"
	"strings"
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

func (im ownImage) fields(opt Options) map[string]any {
	out := map[string]any{"context": "."}
	for key, t := range map[string]*text{"context": im.context, "dockerfile": im.dockerfile, "target": im.target, "dockerfile-inline": im.inline} {
		if t != nil {
			out[key] = literal(t.text)
		}
	}
	for key, list := range map[string][]text{"tags": im.tags, "platforms": im.platforms} {
		if len(list) > 0 {
			out[key] = literals(list)
		}
	}
	if v, _ := opt.lookup(defaultPlatform); v != "" && len(im.platforms) == 0 { // as for docker build
		out["platforms"] = []string{literal(v)}
	}
	args := map[string]string{}
	for _, a := range im.args {
		if a.value != nil {
			args[literal(a.name)] = literal(*a.value)
		} else if v, ok := opt.lookup(a.name); ok {
			args[literal(a.name)] = literal(v)
		}
	}
	if len(args) > 0 {
		out["args"] = args
	}
	contexts := map[string]string{}
	for _, p := range im.contexts {
		contexts[literal(p.key.text)] = literal(p.value.text)
	}
	if len(contexts) > 0 {
		out["contexts"] = contexts
	}
	return out
}

// literal escapes what HCL would take for a template.
func literal(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "${", "$${"), "%{", "%%{")
}

func literals(list []text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = literal(t.text)
	}
	return out
}
