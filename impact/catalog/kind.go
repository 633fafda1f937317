package catalog

import (
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kind is the sort of a definition file.
type kind int

const (
	bakeKind kind = iota
	composeKind
	rebuildKind
	dockerfileKind
)

// kindOf tells the kind by name, and by content where a name leaves it open.
func kindOf(src source) kind {
	name := strings.ToLower(path.Base(src.path))
	ext := path.Ext(name)
	switch {
	case ext == ".hcl" || ext == ".json":
		return bakeKind
	case ext == ".yaml" || ext == ".yml":
		return yamlKind(strings.TrimSuffix(name, ext), src.data)
	case ext == ".dockerfile", ext == ".containerfile",
		name == "dockerfile", name == "containerfile",
		strings.HasPrefix(name, "dockerfile."):
		return dockerfileKind
	}
	return bakeKind
}

// yamlKind tells a compose file from one of ours: by its name, else by the
// services that it has.
func yamlKind(stem string, data []byte) (k kind) {
	defer func() {
		if recover() != nil { // the YAML parser's, on text that may be anyone's
			k = rebuildKind
		}
	}()
	switch first, _, _ := strings.Cut(stem, "."); first {
	case "rebuild":
		return rebuildKind
	case "compose", "docker-compose":
		return composeKind
	}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return rebuildKind // whose parser says what is wrong, with its line
	}
	top := doc.Content[0].Content
	for i := 0; i+1 < len(top); i += 2 {
		if top[i].Value == "services" || top[i].Value == "include" {
			return composeKind
		}
	}
	return rebuildKind
}
