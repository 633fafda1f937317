package catalog

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", raw); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAgrees judges every rebuild.yaml of testdata by the schema and by
// the parser. What a schema cannot say is listed.
func TestSchemaAgrees(t *testing.T) {
	beyond := []string{"twice", "declared twice", "malformed pattern", "second document", `unknown key "<<"`}
	schema := compiled(t)
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, a := range archives {
		ar, err := txtar.ParseFile(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if name := filepath.Base(f.Name); name != "rebuild.yaml" && name != "images.yaml" {
				continue
			}
			var v any
			if yaml.Unmarshal(f.Data, &v) != nil {
				continue // not YAML at all
			}
			_, parseErr := parseDocument(source{path: f.Name, data: f.Data})
			schemaErr := schema.Validate(v)
			if parseErr != nil && schemaErr == nil && containsAny(parseErr.Error(), beyond) {
				continue
			}
			if (parseErr == nil) != (schemaErr == nil) {
				t.Errorf("%s: %s: the parser says %v, the schema %v", a, f.Name, parseErr, schemaErr)
			}
		}
	}
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// TestSchemaKeys gives every key of the schema to the parser, and the parser
// one that the schema does not have.
func TestSchemaKeys(t *testing.T) {
	schema := compiled(t)
	at := map[string]string{
		"":       "%s",
		"image":  "images: {a: {%s}}",
		"phase":  "phases: [{name: p, images: [a], %s}]",
		"derive": "phases: [{name: p, derive: {from: [a], rename: {a: b}, %s}}]",
	}
	keys := map[string]map[string]*jsonschema.Schema{"": schema.Properties}
	for _, named := range schema.Properties["images"].PatternProperties {
		keys["image"] = resolved(named.OneOf[0]).Properties // the other is false
	}
	phase := resolved(schema.Properties["phases"].Items2020)
	keys["phase"] = phase.Properties
	keys["derive"] = resolved(phase.Properties["derive"]).Properties
	for where, form := range at {
		if len(keys[where]) == 0 {
			t.Fatalf("no keys in %q", where)
		}
		for key := range keys[where] {
			// Of a wrong type or twice it may be, unknown it may not.
			_, err := parseDocument(source{path: "x", data: fmt.Appendf(nil, form, key+": {a: b}")})
			if err != nil && strings.Contains(err.Error(), fmt.Sprintf("unknown key %q", key)) {
				t.Errorf("the parser does not know %s.%s", where, key)
			}
		}
		_, err := parseDocument(source{path: "x", data: fmt.Appendf(nil, form, "nokey: 1")})
		if err == nil || !strings.Contains(err.Error(), `unknown key "nokey"`) {
			t.Errorf("%q: %v", where, err)
		}
	}
}

func resolved(s *jsonschema.Schema) *jsonschema.Schema {
	for s.Ref != nil && len(s.Properties) == 0 {
		s = s.Ref
	}
	return s
}
