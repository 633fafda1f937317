package catalog

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema is the JSON schema of rebuild.yaml, for editors.
func Schema() []byte { return slices.Clone(schema) }
