package catalog

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/cli/command"
	"github.com/moby/buildkit/frontend/dockerui"
)

// definitionsDoc says what becomes of each field and variable.
const definitionsDoc = "../../docs/definitions.md"

// documented are the tables that are about structs of bake and compose-go, by their
// headings.
var documented = map[string]reflect.Type{
	"Bake: a file":          reflect.TypeFor[bake.Config](),
	"Bake: a group":         reflect.TypeFor[bake.Group](),
	"Bake: a target":        reflect.TypeFor[bake.Target](),
	"Bake: attest":          reflect.TypeFor[buildflags.Attest](),
	"Bake: cache":           reflect.TypeFor[buildflags.CacheOptionsEntry](),
	"Bake: output":          reflect.TypeFor[buildflags.ExportEntry](),
	"Bake: policy":          reflect.TypeFor[buildflags.PolicyConfig](),
	"Bake: resources":       reflect.TypeFor[buildflags.ResourcesConfig](),
	"Bake: secret":          reflect.TypeFor[buildflags.Secret](),
	"Bake: ssh":             reflect.TypeFor[buildflags.SSH](),
	"Compose: a file":       reflect.TypeFor[types.Project](),
	"Compose: include":      reflect.TypeFor[types.IncludeConfig](),
	"Compose: a service":    reflect.TypeFor[types.ServiceConfig](),
	"Compose: extends":      reflect.TypeFor[types.ExtendsConfig](),
	"Compose: build":        reflect.TypeFor[types.BuildConfig](),
	"Compose: secrets":      reflect.TypeFor[types.FileObjectConfig](),
	"Compose: build secret": reflect.TypeFor[types.ServiceSecretConfig](),
	"Compose: ssh":          reflect.TypeFor[types.SSHKey](),
	"Compose: ulimits":      reflect.TypeFor[types.UlimitsConfig](),
}

// row is one row of a table: the names in its first cell, and the rest.
type row struct {
	names []string
	cells []string
}

var code = regexp.MustCompile("`([^`]+)`")

// tables reads the tables of a document by the headings above them.
func tables(t *testing.T) map[string][]row {
	t.Helper()
	text, err := os.ReadFile(definitionsDoc)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]row{}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "#"); ok {
			heading = strings.TrimSpace(strings.TrimLeft(title, "#"))
			continue
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		r := row{cells: cells[1:]}
		for _, m := range code.FindAllStringSubmatch(cells[0], -1) {
			r.names = append(r.names, m[1])
		}
		if len(r.names) > 0 { // else it is the head
			out[heading] = append(out[heading], r)
		}
	}
	return out
}

// fieldNames are the names that a definition has for the fields of a struct; those that
// are only computed have none.
func fieldNames(typ reflect.Type) []string {
	var names []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, inline := tagOf(f)
		switch {
		case !f.IsExported(), tag == "-":
		case inline && f.Type.Kind() == reflect.Struct:
			names = append(names, fieldNames(f.Type)...)
		case inline:
			names = append(names, "x-*")
		default:
			names = append(names, tag)
		}
	}
	return names
}

func tagOf(f reflect.StructField) (name string, inline bool) {
	for _, key := range []string{"hcl", "yaml", "json"} {
		tag, ok := f.Tag.Lookup(key)
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",")
		if slices.Contains(parts[1:], "inline") {
			return parts[0], true
		}
		return parts[0], false
	}
	return strings.ToLower(f.Name), false
}

// TestEveryField holds the document's tables against the structs of bake and compose-go:
// an update of either brings no field that nobody has decided on.
func TestEveryField(t *testing.T) {
	doc := tables(t)
	for heading, typ := range documented {
		var named []string
		for _, r := range doc[heading] {
			for _, name := range r.names {
				if slices.Contains(named, name) {
					t.Errorf("%s: %s stands in two rows", heading, name)
				}
				named = append(named, name)
			}
			if len(r.cells) < 2 || strings.TrimSpace(r.cells[0]) == "" || !slices.Contains([]string{"yes", "no", "-"}, strings.TrimSpace(r.cells[1])) {
				t.Errorf("%s: the row of %v does not say what becomes of it, and whether it is part of the key (yes, no, -)", heading, r.names)
			}
		}
		fields := fieldNames(typ)
		for _, name := range fields {
			if !slices.Contains(named, name) {
				t.Errorf("%s: %s has the field %s, which is in no row", heading, typ, name)
			}
		}
		for _, name := range named {
			if !slices.Contains(fields, name) {
				t.Errorf("%s: the row of %s names no field of %s", heading, name, typ)
			}
		}
	}
	for heading := range doc {
		if _, ok := documented[heading]; !ok && !strings.HasPrefix(heading, "Variables") {
			t.Errorf("the table %q is held against nothing", heading)
		}
	}
}

// variable is the name of a variable as a source has it.
var variable = regexp.MustCompile(`"(?:build-arg:)?((?:EXPERIMENTAL_)?(?:BAKE|BUILDX|BUILDKIT|COMPOSE|DOCKER)_[A-Z0-9_]*[A-Z0-9])"`)

// TestEveryVariable holds the document against the sources of what reads variables: each
// that they name is in a row.
func TestEveryVariable(t *testing.T) {
	doc := tables(t)
	named := map[string]string{}
	for heading, rows := range doc {
		if !strings.HasPrefix(heading, "Variables") {
			continue
		}
		for _, r := range rows {
			for _, name := range r.names {
				if named[name] != "" {
					t.Errorf("%s stands in two rows", name)
				}
				named[name] = heading
			}
			if strings.TrimSpace(r.cells[0]) == "" {
				t.Errorf("%s: the row of %v does not say what becomes of it", heading, r.names)
			}
		}
	}
	found := map[string]string{}
	for _, source := range []struct {
		of      any
		up      int // folders from the function's file up to the root
		folders []string
	}{
		{bake.ParseFiles, 1, []string{"bake", "build", "builder", "commands", "driver", "policy", "store", "util"}},
		{cli.NewProjectOptions, 1, []string{"cli", "consts", "dotenv", "loader"}},
		{command.NewDockerCli, 2, []string{"cli", "cmd"}},
		{dockerui.NewClient, 2, []string{"frontend"}},
	} {
		file, _ := runtime.FuncForPC(reflect.ValueOf(source.of).Pointer()).FileLine(0)
		root := filepath.Dir(file)
		for range source.up {
			root = filepath.Dir(root)
		}
		if _, err := os.Stat(root); err != nil {
			t.Skipf("the sources are not where the test was compiled from (-trimpath): %v", err)
		}
		for _, folder := range source.folders {
			maps.Copy(found, variablesIn(t, filepath.Join(root, folder)))
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d variables found: is the search right?", len(found))
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if named[name] == "" {
			t.Errorf("%s is in no row: %s", name, found[name])
		}
	}
}

// variablesIn gives the variables that the Go files below a folder name, with one of the
// places.
func variablesIn(t *testing.T, root string) map[string]string {
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range variable.FindAllStringSubmatch(line, -1) {
				found[m[1]] = fmt.Sprintf("%s:%d", path, i+1)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
