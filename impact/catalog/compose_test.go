package catalog

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/rogpeppe/go-internal/txtar"

	"rebuild/impact"
)

// TestAsCompose holds the catalog against what compose makes of the same files
// on a disk: it reads projects through compose-go's cli package.
func TestAsCompose(t *testing.T) {
	archives, _ := filepath.Glob("testdata/compose-*.txtar")
	compared := 0
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := readStory(t, ar)
		if s.opt.Root != "/r/app" || s.files["rebuild.yaml"] != "" || len(s.opt.Set) > 0 || len(s.outside) > 0 || strings.Contains(file, "fault") || containsAny(file, []string{"unknown-keys", "compatibility"}) {
			continue // these have values that are ours
		}
		compared++
		t.Run(filepath.Base(file), func(t *testing.T) { compareWithCompose(t, s) })
	}
	if compared < 20 {
		t.Errorf("only %d stories compared", compared)
	}
}

func compareWithCompose(t *testing.T, s story) {
	top := t.TempDir()
	root := filepath.Join(top, "r", "app")
	for name, data := range s.files {
		at := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(strings.ReplaceAll(data, "/r/app/", root+"/")), 0o644); err != nil {
			t.Fatal(err)
		}
		s.files[name] = strings.ReplaceAll(data, "/r/app/", root+"/")
	}
	var files []string
	for _, f := range s.opt.Files {
		files = append(files, filepath.Join(root, f))
	}
	var env []string
	for _, name := range []string{"TAG", "DIR", "OVER", "WHICH", "FROM_ENV", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		if v, ok := s.opt.Env(name); ok {
			env = append(env, name+"="+v)
		}
	}
	start := filepath.Join(root, s.opt.Dir)
	if err := os.MkdirAll(start, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(start)
	if v, ok := s.opt.Env("COMPOSE_DISABLE_ENV_FILE"); ok {
		t.Setenv("COMPOSE_DISABLE_ENV_FILE", v)
	}
	list, _ := s.opt.Env("COMPOSE_ENV_FILES")
	envFiles := strings.FieldsFunc(list, func(c rune) bool { return c == ',' })
	opts, err := cli.NewProjectOptions(files, cli.WithEnv(env), cli.WithConfigFileEnv, cli.WithDefaultConfigPath, cli.WithEnvFiles(envFiles...), cli.WithDotEnv,
		cli.WithConfigFileEnv, cli.WithDefaultConfigPath, cli.WithDefaultProfiles())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(".env"); err == nil && strings.Contains(s.files[".env"], "COMPOSE_FILE") {
		opts.ConfigPaths = nil
		if err := cli.WithConfigFileEnv(opts); err != nil {
			t.Fatal(err)
		}
	}
	project, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.opt.Root = filepath.ToSlash(root)
	cat, err := Load(context.Background(), s.files, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	active := map[string]bool{}
	services := maps.Clone(project.Services)
	for name := range services {
		active[name] = true
	}
	maps.Copy(services, project.DisabledServices)
	built := 0
	for name, service := range services {
		if service.Build == nil {
			continue
		}
		built++
		names, err := Select(cat, []string{strings.ReplaceAll(name, ".", "_")}, false)
		if err != nil || len(names) != 1 {
			t.Errorf("service %s: %v %v", name, names, err)
			continue
		}
		im, _ := cat.Image(names[0])
		compareService(t, project, service, im, root)
		if def, _ := Select(cat, nil, false); active[name] && !slices.Contains(def, im.Name) {
			t.Errorf("%s is not selected", name)
		}
	}
	if built == 0 || len(cat.Images) > built {
		t.Errorf("%d images of %d services", len(cat.Images), built)
	}
}

func compareService(t *testing.T, project *types.Project, s types.ServiceConfig, im impact.Image, root string) {
	t.Helper()
	b := s.Build
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(root, p)
	}
	dockerfile := b.Dockerfile
	if im.RemoteContext == "" && dockerfile != "" && !filepath.IsAbs(dockerfile) {
		dockerfile = filepath.Join(b.Context, dockerfile)
	}
	got := abs(im.Dockerfile)
	if im.RemoteContext != "" {
		got = im.Dockerfile
	}
	args := map[string]string{}
	for k, v := range b.Args.Resolve(func(name string) (string, bool) { v, ok := project.Environment[name]; return v, ok }) {
		if v != nil {
			args[k] = *v
		}
	}
	tag := s.Image
	if tag == "" {
		tag = project.Name + "-" + s.Name
	}
	secrets := slices.DeleteFunc(slices.Clone(b.Secrets), func(ref types.ServiceSecretConfig) bool {
		def := project.Secrets[ref.Source]
		return def.File == "" && def.Environment == ""
	})
	platforms := []string(b.Platforms)
	if len(platforms) == 0 && s.Platform != "" {
		platforms = []string{s.Platform}
	}
	for what, pair := range map[string][2]any{
		"context":    {abs(im.Context) + im.RemoteContext, b.Context},
		"dockerfile": {got, dockerfile},
		"inline":     {im.Inline, b.DockerfileInline},
		"target":     {im.Target, b.Target},
		"args":       {fmt.Sprint(im.Args), fmt.Sprint(args)},
		"labels":     {fmt.Sprint(im.Labels), fmt.Sprint(map[string]string(b.Labels))},
		"network":    {im.Network, b.Network},
		"no-cache":   {im.NoCache, b.NoCache},
		"pull":       {im.Pull, b.Pull},
		"platforms":  {list(im.Platforms), list(platforms)},
		"contexts":   {len(im.Contexts), len(b.AdditionalContexts)},
		"secrets":    {len(im.Secrets), len(secrets)},
		"ssh":        {len(im.SSH), len(b.SSH)},
		"ulimits":    {len(im.Ulimits), len(b.Ulimits)},
	} {
		if fmt.Sprint(pair[0]) != fmt.Sprint(pair[1]) {
			t.Errorf("%s: %s is %v, compose has %v", s.Name, what, pair[0], pair[1])
		}
	}
	for _, want := range append([]string{tag}, b.Tags...) {
		if !slices.Contains(im.Tags, want) {
			t.Errorf("%s: tags %v lack %s", s.Name, im.Tags, want)
		}
	}
	for _, c := range im.Contexts {
		v := b.AdditionalContexts[c.Name]
		want := map[string]string{"service:" + strings.ReplaceAll(c.Image, "_", "."): "", "service:" + c.Image: "", "docker-image://" + c.Ref: "", abs(c.Dir): "", c.URL: ""}
		if _, ok := want[v]; !ok {
			t.Errorf("%s: context %+v, compose has %q", s.Name, c, v)
		}
	}
}

func BenchmarkLoadCompose(b *testing.B) {
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range 21 {
		fmt.Fprintf(&text, "  s%d: {image: team/s%d, build: {context: ., dockerfile: docker/s%d/Dockerfile, args: {A: b}}}\n", i, i, i)
	}
	for name, files := range map[string]tree{
		"plain":   {"compose.yaml": text.String()},
		"include": {"compose.yaml": "include: [sub/compose.yaml]", "sub/compose.yaml": text.String()},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Load(context.Background(), files, Options{Env: none, Root: "/r/app"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
