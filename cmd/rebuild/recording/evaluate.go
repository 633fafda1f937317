package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/catalog/commandline"
)

// defined are the images that a call of bake or compose builds.
type defined struct {
	Images []impact.Image
	Files  []string // of the definition, slash paths from the root
}

// disk reads the files of the working tree.
type disk struct{ root string }

// ReadFile reads a regular file.
func (d disk) ReadFile(_ context.Context, path string) ([]byte, error) {
	name := filepath.Join(d.root, filepath.FromSlash(path))
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	return os.ReadFile(name)
}

// Evaluate finds the images that a call of bake or compose builds, as the definition reads
// at that moment and in the call's environment.
func Evaluate(s standin.Settings, call *standin.Call) error {
	d := call.Definition
	dir, err := filepath.EvalSymlinks(call.Dir)
	if err != nil {
		return err
	}
	rel := fromRoot(s.Root, dir)
	if filepath.IsAbs(filepath.FromSlash(rel)) {
		call.Lacking = "it is called outside of the repository"
		return nil
	}
	overlay := map[string]string{}
	opt := catalog.Options{Root: s.Root, Dir: rel, Env: func(name string) (string, bool) {
		if name == "DOCKER_BUILDKIT" { // which builder it is changes nothing of what is built
			return "", false
		}
		if v, ok := overlay[name]; ok {
			return v, true
		}
		return os.LookupEnv(name)
	}}
	given := commandline.All(d.Flags, "file")
	if d.Kind == "compose" {
		given = commandline.All(d.Globals, "file")
		composeOptions(d, &opt, overlay, call)
	} else {
		opt.Set = commandline.All(d.Flags, "set")
		opt.Vars = pairs(commandline.All(d.Flags, "var"))
	}
	if call.Lacking != "" {
		return nil
	}
	if opt.Files, err = definitionFiles(d.Kind, dir, given); err != nil {
		return err
	}
	for i, f := range opt.Files {
		opt.Files[i] = fromRoot(s.Root, f)
	}
	ctx := context.Background()
	cat, err := catalog.Load(ctx, disk{s.Root}, opt)
	if err != nil {
		return err
	}
	names, err := catalog.Select(cat, d.Names, false)
	if err != nil {
		return err
	}
	out := defined{Files: opt.Files}
	for _, name := range withLinked(cat, names) {
		im, _ := cat.Image(name)
		if im.Fault != nil {
			return im.Fault
		}
		out.Images = append(out.Images, im)
		call.Tags = append(call.Tags, im.Tags...)
	}
	d.Names = names
	call.Images, err = json.Marshal(out)
	return err
}

// composeOptions takes up what compose's flags say: as the variables that say the same.
func composeOptions(d *standin.Definition, opt *catalog.Options, overlay map[string]string, call *standin.Call) {
	set := func(variable, separator string, values []string) {
		if len(values) > 0 {
			overlay[variable] = strings.Join(values, separator)
		}
	}
	set("COMPOSE_PROFILES", ",", commandline.All(d.Globals, "profile"))
	set("COMPOSE_ENV_FILES", ",", commandline.All(d.Globals, "env-file"))
	if name := commandline.Last(d.Globals, "project-name"); name != "" {
		overlay["COMPOSE_PROJECT_NAME"] = name
	}
	if commandline.Last(d.Globals, "project-directory")+commandline.Last(d.Globals, "workdir") != "" {
		call.Lacking = "--project-directory: call compose in that folder"
	}
	opt.BuildArgs = pairs(commandline.All(d.Flags, "build-arg"))
}

// pairs turns NAME=VALUE into a map; a name alone has the value of the environment.
func pairs(list []string) map[string]string {
	out := map[string]string{}
	for _, p := range list {
		name, value, given := strings.Cut(p, "=")
		if !given {
			var ok bool
			if value, ok = os.LookupEnv(name); !ok {
				continue
			}
		}
		out[name] = value
	}
	return out
}

// The files that bake and compose read unasked: bake all of them (buildx
// bake.defaultFilenames), compose the first of each list, in the nearest folder
// (compose-go cli.DefaultFileNames).
var (
	bakeFiles        = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml", "docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"}
	composeFiles     = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	composeOverrides = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

func definitionFiles(kind, dir string, given []string) ([]string, error) {
	variable, separator := "BUILDX_BAKE_FILE", os.Getenv("BUILDX_BAKE_PATH_SEPARATOR")
	if kind == "compose" {
		variable, separator = "COMPOSE_FILE", os.Getenv("COMPOSE_PATH_SEPARATOR")
	}
	if separator == "" {
		separator = string(filepath.ListSeparator)
	}
	if list := os.Getenv(variable); list != "" && len(given) == 0 {
		given = strings.Split(list, separator)
	}
	var files []string
	for _, name := range given {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		files = append(files, name)
	}
	if files != nil {
		return files, nil
	}
	if kind == "bake" {
		files = existing(dir, bakeFiles)
	} else {
		for at := dir; files == nil; at = filepath.Dir(at) {
			if main := existing(at, composeFiles); main != nil {
				files = main[:1]
				if more := existing(at, composeOverrides); more != nil {
					files = append(files, more[0])
				}
			}
			if filepath.Dir(at) == at {
				break
			}
		}
	}
	if files == nil {
		return nil, fmt.Errorf("no %s file in %s", kind, dir)
	}
	return files, nil
}

func existing(dir string, names []string) []string {
	var out []string
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}

// withLinked adds the images that the named ones take as contexts, which bake builds with
// them; the order is that of the definition.
func withLinked(cat impact.Catalog, names []string) []string {
	wanted := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		im, ok := cat.Image(name)
		if !ok || wanted[name] {
			return
		}
		wanted[name] = true
		for _, c := range im.Contexts {
			if c.Image != "" {
				add(c.Image)
			}
		}
	}
	for _, name := range names {
		add(name)
	}
	return slices.DeleteFunc(cat.Names(), func(n string) bool { return !wanted[n] })
}

// fromRoot words an absolute path as a slash path from the root; one that lies elsewhere
// stays absolute.
func fromRoot(root, name string) string {
	rel, err := filepath.Rel(root, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return filepath.ToSlash(name)
	}
	return filepath.ToSlash(rel)
}
