package catalog

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/bake"
	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/impact"
)

// TestAsBake holds the catalog against what bake itself makes of the same
// files: its targets, and the build options that it would start builds with.
func TestAsBake(t *testing.T) {
	archives, _ := filepath.Glob("testdata/bake-*.txtar")
	compared := 0
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := readStory(t, ar)
		if s.opt.Dir != "" || len(s.opt.Files) > 0 || containsAny(file, []string{"epoch", "volatile", "one-cwd", "one-output"}) {
			continue // these have paths or values that are ours
		}
		s.opt.BuildArgs = nil
		t.Run(filepath.Base(file), func(t *testing.T) {
			compareWithBake(t, s)
		})
		compared++
	}
	if compared < 8 {
		t.Errorf("only %d stories compared", compared)
	}
}

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func compareWithBake(t *testing.T, s story) {
	var files []bake.File
	for _, name := range append(slices.Clone(composeNames), bakeNames...) {
		if data, ok := s.files[name]; ok {
			files = append(files, bake.File{Name: name, Data: []byte(data)})
		}
	}
	vars := map[string]string{}
	for _, name := range []string{"TAG", "REGISTRY", "LIST_JSON"} {
		if v, ok := s.opt.Env(name); ok {
			vars[name] = v
		}
	}
	maps.Copy(vars, s.opt.Vars)
	targets, groups, bakeErr := bake.ReadTargets(context.Background(), files, []string{"*"}, s.opt.Set, builtin(), vars, &bake.EntitlementConf{})
	cat, err := Load(context.Background(), s.files, s.opt)
	if bakeErr != nil {
		if err == nil && !strings.Contains(bakeErr.Error(), "infinite loop") { // a cycle, which the graph reports
			t.Errorf("bake fails and we do not: %v", bakeErr)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(slices.Values(cat.Names())), slices.Sorted(maps.Keys(targets)); !slices.Equal(got, want) {
		t.Fatalf("images %v, bake has %v", got, want)
	}
	for _, t := range targets { // what its options would read from disk now
		t.Secrets, t.SSH, t.CacheFrom, t.CacheTo, t.Outputs = nil, nil, nil, nil, nil
	}
	options, err := bake.TargetsToBuildOpt(targets, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range options {
		im, _ := cat.Image(name)
		for what, pair := range map[string][2]any{
			"context":    {im.Context + im.RemoteContext, o.Inputs.ContextPath},
			"dockerfile": {im.Dockerfile, o.Inputs.DockerfilePath},
			"inline":     {im.Inline, o.Inputs.DockerfileInline},
			"target":     {im.Target, o.Target},
			"tags":       {list(im.Tags), list(o.Tags)},
			"args":       {fmt.Sprint(im.Args), fmt.Sprint(o.BuildArgs)},
			"labels":     {fmt.Sprint(im.Labels), fmt.Sprint(o.Labels)},
			"no-cache":   {im.NoCache, o.NoCache},
			"filter":     {list(im.NoCacheFor), list(o.NoCacheFilter)},
			"pull":       {im.Pull, o.Pull},
			"network":    {im.Network, o.NetworkMode},
			"platforms":  {len(im.Platforms), len(o.Platforms)},
			"ulimits":    {len(im.Ulimits), len(o.Ulimits.GetList())},
			"allow":      {list(im.Entitlements), list(o.Allow)},
			"hosts":      {len(im.ExtraHosts), len(o.ExtraHosts)},
			"contexts":   {len(im.Contexts), len(o.Inputs.NamedContexts)},
			"attest":     {len(im.Attest), len(slices.DeleteFunc(slices.Collect(maps.Values(o.Attests)), func(v *string) bool { return v == nil }))},
			"annotation": {len(im.Annotations), len(o.Annotations)},
			"memory":     {im.Resources["memory"], positive(o.ResourceLimits.Memory.Value())},
			"cpu shares": {im.Resources["cpushares"], positive(o.ResourceLimits.CPUShares)},
			"cpu quota":  {im.Resources["cpuquota"], positive(o.ResourceLimits.CPUQuota)},
			"cpus":       {im.Resources["cpusetcpus"], o.ResourceLimits.CPUSetCPUs},
		} {
			if what == "dockerfile" && im.Inline != "" {
				continue // bake names one that it does not read
			}
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Errorf("%s: %s is %v, bake has %v", name, what, pair[0], pair[1])
			}
		}
	}
	for name := range groups {
		// A default of all is what bake adds to what it is asked for.
		if cat.Groups[name] == nil && name != "default" {
			t.Errorf("group %s is missing", name)
		}
	}
}

func list(s []string) string { return strings.Join(s, " ") }

// TestVolatile asks for the real values, and for their places in the text to
// stay as they are.
func TestVolatile(t *testing.T) {
	files := tree{"docker-bake.hcl": `
variable "timestam_" { default = "a name that is taken" }
function "timestamp" {
  params = []
  result = "a function that bake does not use either"
}
target "app" { args = { T = timestamp(), U = uuidv4(), V = timestam_ } }
`}
	load := func(volatile bool) map[string]string {
		cat, err := Load(context.Background(), files, Options{Volatile: volatile, Env: none})
		if err != nil {
			t.Fatal(err)
		}
		return cat.Images[0].Args
	}
	fixed, again, real := load(false), load(false), load(true)
	if !maps.Equal(fixed, again) {
		t.Errorf("two loads differ: %v, %v", fixed, again)
	}
	if fixed["T"] != "1970-01-01T00:00:00Z" || fixed["V"] != "a name that is taken" {
		t.Errorf("fixed values: %v", fixed)
	}
	if real["T"] == fixed["T"] || real["U"] == fixed["U"] || !strings.HasPrefix(real["T"], "20") {
		t.Errorf("real values: %v", real)
	}
}

// TestMatrixOrder loads a matrix of two dimensions often: bake's own order
// follows a map.
func TestMatrixOrder(t *testing.T) {
	files := tree{"docker-bake.hcl": `
target "m" {
  name = "m-${a}-${b}-${c}"
  matrix = { a = ["1", "2"], b = ["x", "y"], c = ["p", "q"] }
}`, "compose.yaml": `
services: {z: {build: z}, y: {build: y}, x: {build: x}, w: {build: w}}
`}
	var first []string
	for range 20 {
		cat, err := Load(context.Background(), files, Options{Env: none})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = cat.Names()
		}
		if !slices.Equal(first, cat.Names()) {
			t.Fatalf("order differs: %v, %v", first, cat.Names())
		}
	}
	if len(first) != 12 || first[0] != "w" || first[4] != "m-1-x-p" {
		t.Errorf("order: %v", first)
	}
}

// TestProcessEnvironment looks variables up where bake does when no other
// environment is given.
func TestProcessEnvironment(t *testing.T) {
	t.Setenv("CATALOG_TEST_TAG", "from-env")
	t.Setenv("SOURCE_DATE_EPOCH", "")
	files := tree{"docker-bake.hcl": `
variable "CATALOG_TEST_TAG" { default = "no" }
target "app" { tags = ["app:${CATALOG_TEST_TAG}"] }
`}
	cat, err := Load(context.Background(), files, Options{Set: []string{"app.args.CATALOG_TEST_TAG"}})
	if err != nil {
		t.Fatal(err)
	}
	if im := cat.Images[0]; im.Tags[0] != "app:from-env" || im.Args["CATALOG_TEST_TAG"] != "from-env" {
		t.Errorf("%+v", im)
	}
}

// TestCorpus loads the definitions of the corpora.
func TestCorpus(t *testing.T) {
	for name, want := range map[string]struct {
		n     int
		image impact.Image
	}{
		"five-images":     {5, impact.Image{Name: "web", Context: "web", Dockerfile: "web/Dockerfile", Refs: []string{"five-images.invalid/web:1"}}},
		"cp-whisperx-app": {21, impact.Image{Name: "base-cpu", Context: ".", Dockerfile: "docker/base/Dockerfile", Refs: []string{"docker.io/rajiup/cp-whisperx-app-base:cpu"}}},
		"docker-stacks":   {14, impact.Image{Name: "pytorch-notebook-cuda12", Context: "images/pytorch-notebook/cuda12", Dockerfile: "images/pytorch-notebook/cuda12/Dockerfile", Refs: []string{"quay.io/jupyter/pytorch-notebook:cuda12-latest"}}},
		"gatk-sv":         {17, impact.Image{}},
	} {
		t.Run(name, func(t *testing.T) {
			file := corpusFile(t, name, "docker-bake.json")
			cat, err := Load(context.Background(), tree{}, Options{Root: t.TempDir(), Files: []string{filepath.ToSlash(file)}, Env: none})
			if err != nil {
				t.Fatal(err)
			}
			if len(cat.Images) != want.n {
				t.Errorf("%d images, want %d", len(cat.Images), want.n)
			}
			for _, im := range cat.Images {
				if path.IsAbs(im.Context) || path.IsAbs(im.Dockerfile) {
					t.Errorf("%s: %s %s is not in the tree", im.Name, im.Context, im.Dockerfile)
				}
			}
			if want.image.Name == "" {
				return
			}
			im, _ := cat.Image(want.image.Name)
			if im.Context != want.image.Context || im.Dockerfile != want.image.Dockerfile || !slices.Equal(im.Refs, want.image.Refs) {
				t.Errorf("got %+v", im)
			}
		})
	}
}

// many is a definition of n targets.
func many(n int) tree {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "target \"t%d\" {\n  dockerfile = \"docker/t%d/Dockerfile\"\n  tags = [\"team/t%d:cuda\"]\n  args = {A = \"b\"}\n}\n", i, i, i)
	}
	return tree{"docker-bake.hcl": b.String()}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{21, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := many(n)
			for b.Loop() {
				if _, err := Load(context.Background(), files, Options{Env: none}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
