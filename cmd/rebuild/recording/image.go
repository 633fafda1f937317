package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/catalog/commandline"
)

// Image is one that a script builds.
type Image struct {
	impact.Image
	call        *standin.Call
	id          string   // that the script was told
	text        string   // of its Dockerfile, as it was built
	generic     bool     // its Dockerfile is no file of the repository
	named       bool     // its name is that of a definition
	fromEnv     []string // arguments that have their value from the environment
	anyPlatform bool     // its platform is that of the environment
	unworded    []string // what of the build a rebuild.yaml has no word for
}

// label names an image for people: by its first tag.
func (im *Image) label() string {
	if len(im.Tags) > 0 {
		return im.Tags[0]
	}
	if im.Name != "" {
		return im.Name
	}
	return "an image without a tag (" + called(im.call) + ")"
}

// replay makes the images that are there after the calls, in the order in which each was
// first asked for.
type replay struct {
	root     string
	images   []*Image
	warnings warnings
	found    []string          // images that were there when the script asked for them
	files    [][]string        // of the definitions that were called
	known    map[string]string // text of each Dockerfile of the repository -> its path
}

func (r *replay) take(c *standin.Call) error {
	line := called(c)
	switch {
	case c.Lacking != "":
		r.warnings.add("cannot be recorded: %s", line+": "+c.Lacking)
	case c.Exit != 0 && c.Forced:
	case c.Exit != 0 && (c.Build != nil || c.Definition != nil):
		r.warnings.add("failed, and is left out: %s", line)
	case c.Build != nil:
		im, err := r.built(c)
		if err != nil {
			return err
		}
		r.add(im)
	case c.Definition != nil:
		var d defined
		if err := json.Unmarshal(c.Images, &d); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.files, func(f []string) bool { return slices.Equal(f, d.Files) }) {
			r.files = append(r.files, d.Files)
		}
		for _, im := range d.Images {
			r.add(&Image{Image: im, call: c, named: true, text: r.textOf(im), unworded: catalog.Unwritable(im)})
		}
	case len(c.Found) > 0:
		r.found = append(r.found, c.Found...)
	case len(c.Tag) == 2:
		r.tag(c.Tag[0], c.Tag[1])
	}
	return nil
}

// built words a docker build as an image.
func (r *replay) built(c *standin.Call) (*Image, error) {
	b := c.Build
	im := &Image{call: c, id: c.ID, text: b.Text}
	im.Tags = familiarTags(commandline.All(b.Flags, "tag"))
	im.Target = commandline.Last(b.Flags, "target")
	dir, err := filepath.EvalSymlinks(c.Dir)
	if err != nil {
		dir = c.Dir // it is gone, and was there
	}
	place := func(name string) string {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if real, err := filepath.EvalSymlinks(name); err == nil {
			name = real
		}
		return fromRoot(r.root, name)
	}
	switch {
	case b.Bare: // nothing is read of a context that is empty
		im.Context = "."
	case isRemote(b.Context):
		im.RemoteContext = b.Context
		im.Dockerfile = commandline.Last(b.Flags, "file")
		if im.Dockerfile == "" {
			im.Dockerfile = "Dockerfile"
		}
	default:
		im.Context = place(b.Context)
	}
	if im.RemoteContext == "" || b.Stdin {
		r.dockerfile(im, b, place)
	}
	for _, a := range commandline.All(b.Flags, "build-arg") {
		name, value, given := strings.Cut(a, "=")
		if im.Args == nil {
			im.Args = map[string]string{}
		}
		if !given {
			im.fromEnv = append(im.fromEnv, name)
			value = os.Getenv(name)
		} else {
			im.fromEnv = slices.DeleteFunc(im.fromEnv, func(n string) bool { return n == name })
		}
		im.Args[name] = value
	}
	r.platforms(im, c)
	for _, v := range commandline.All(b.Flags, "build-context") {
		im.Contexts = append(im.Contexts, namedContext(v, place))
	}
	slices.SortFunc(im.Contexts, func(a, b impact.NamedContext) int { return strings.Compare(a.Name, b.Name) })
	im.unworded = unworded(b.Flags)
	r.oddities(im, c)
	return im, nil
}

func familiarTags(tags []string) []string {
	var out []string
	for _, t := range tags {
		if !slices.ContainsFunc(out, func(o string) bool { return catalog.Canonical(o) == catalog.Canonical(t) }) {
			out = append(out, t)
		}
	}
	return out
}

func isRemote(context string) bool {
	for _, prefix := range []string{"https://", "http://", "git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(context, prefix) {
			return true
		}
	}
	return false
}

// dockerfile sets the Dockerfile. One that is no file of the repository, or that the script
// has written over since, is kept as a text.
func (r *replay) dockerfile(im *Image, b *standin.Build, place func(string) string) {
	if b.File != "" {
		im.Dockerfile = place(b.File)
		now, err := os.ReadFile(r.abs(im.Dockerfile))
		im.generic = filepath.IsAbs(filepath.FromSlash(im.Dockerfile)) || err != nil || string(now) != b.Text || b.Made && !r.tracked(im.Dockerfile)
		if !im.generic {
			return
		}
	}
	im.generic, im.Inline, im.Dockerfile = true, b.Text, ""
	if b.File == "" {
		im.Dockerfile = r.equalTo(b.Text)
	}
	if im.Dockerfile != "" { // "docker build - <Dockerfile"
		im.Inline = ""
	}
}

// equalTo finds the Dockerfile of the repository that a text equals, "" when there is none.
func (r *replay) equalTo(text string) string {
	if r.known == nil {
		r.known = map[string]string{}
		cmd := exec.Command("git", "ls-files", "-z", "-co", "--exclude-standard", "--", "*ockerfile*", "*ontainerfile*")
		cmd.Dir = r.root
		out, err := cmd.Output()
		if err != nil {
			return "" // outside git there are none to find
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			data, err := disk{r.root}.ReadFile(context.Background(), name)
			if name != "" && err == nil && r.known[string(data)] == "" {
				r.known[string(data)] = name
			}
		}
	}
	return r.known[text]
}

func (r *replay) abs(name string) string {
	file := filepath.FromSlash(name)
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.root, file)
}

// tracked tells whether git has a file: what a script wrote, it has not.
func (r *replay) tracked(name string) bool {
	cmd := exec.Command("git", "ls-files", "--error-unmatch", "--", name)
	cmd.Dir = r.root
	return cmd.Run() == nil
}

// textOf reads the Dockerfile of an image that a definition gives.
func (r *replay) textOf(im impact.Image) string {
	if im.Inline != "" || im.RemoteContext != "" && !im.LocalDockerfile {
		return im.Inline
	}
	data, err := os.ReadFile(r.abs(im.Dockerfile))
	if err != nil {
		return "" // whoever plans it is told
	}
	return string(data)
}

// platforms takes up --platform, else the variable, unless it is the user's own, which
// counts whenever images are built.
func (r *replay) platforms(im *Image, c *standin.Call) {
	given := commandline.All(c.Build.Flags, "platform")
	const variable = "DOCKER_DEFAULT_PLATFORM"
	if v := c.Env[variable]; len(given) == 0 && v != "" {
		given = []string{v}
		im.anyPlatform = v == os.Getenv(variable)
	}
	for _, list := range given {
		for p := range strings.SplitSeq(list, ",") {
			if parsed, err := platforms.Parse(p); err == nil {
				p = platforms.FormatAll(platforms.Normalize(parsed))
			}
			im.Platforms = append(im.Platforms, p)
		}
	}
}

func namedContext(v string, place func(string) string) impact.NamedContext {
	name, value, _ := strings.Cut(v, "=")
	c := impact.NamedContext{Name: name}
	ref, isImage := strings.CutPrefix(value, "docker-image://")
	switch {
	case isImage:
		c.Ref = ref
	case isRemote(value), strings.HasPrefix(value, "oci-layout://"):
		c.URL = value
	default:
		c.Dir = place(value)
	}
	return c
}

// harmless are flags that do not change what is built, or that other fields hold.
var harmless = []string{
	"tag", "file", "build-arg", "build-context", "target", "platform", "quiet", "progress", "load", "push", "rm", "force-rm", "iidfile",
	"metadata-file", "builder", "debug", "no-cache", "no-cache-filter", "pull", "compress", "disable-content-trust", "cache-from", "cache-to", "layers", "jobs", "format",
	"buildkit-host", "retry", "retry-delay", "authfile", "creds", "cert-dir", "tls-verify", "logfile", "cpu-shares", "memory", "memory-swap", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems", "resource",
}

// unworded lists the flags that change an image, and for which a rebuild.yaml has no word.
func unworded(flags []commandline.Flag) []string {
	var out []string
	for _, f := range flags {
		harmlessHere := slices.Contains(harmless, f.Name) || f.Value == "false" ||
			f.Name == "network" && (f.Value == "default" || f.Value == "") || f.Name == "isolation" && f.Value == "default" || f.Name == "call" ||
			f.Name == "output" && isImageOutput(f.Value)
		if name := "--" + f.Name; !harmlessHere && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func isImageOutput(v string) bool {
	return v == "type=docker" || v == "type=image" || v == "type=registry" || strings.HasPrefix(v, "type=image,") && !strings.Contains(v, "dest=")
}

// gone is what the script took away again of what a build reads, "" for nothing.
func (im *Image) gone(root string) string {
	if im.RemoteContext != "" {
		return ""
	}
	names := []string{im.Context}
	if im.Inline == "" {
		names = append(names, im.Dockerfile)
	}
	for _, name := range names {
		file := filepath.FromSlash(name)
		if !filepath.IsAbs(file) {
			file = filepath.Join(root, file)
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
	return ""
}

// oddities says what of a build is not as it seems.
func (r *replay) oddities(im *Image, c *standin.Call) {
	if v := c.Env["DOCKER_BUILDKIT"]; v == "0" || v == "false" {
		r.warnings.add("DOCKER_BUILDKIT=%s", v+" asks for the classic builder; rebuild builds with BuildKit: "+im.label())
	}
	if lacks := im.gone(r.root); lacks != "" {
		r.warnings.add("is there only while the script runs, and no build finds it later: %s", lacks+" of "+im.label())
	}
	if filepath.IsAbs(filepath.FromSlash(im.Context)) {
		r.warnings.add("the build context lies outside of the repository: %s", im.label()+" in "+im.Context)
	}
}

// add takes an image up. As in docker, a tag means the last image that got it; one that is
// built again alike is the same.
func (r *replay) add(im *Image) {
	for _, old := range r.images {
		if !sameBuild(old, im) || !meets(old, im) {
			continue
		}
		for _, tag := range im.Tags {
			r.tagAs(old, tag)
		}
		old.id = im.id // by which the script knows it from now on
		return
	}
	before := slices.IndexFunc(r.images, func(o *Image) bool { return len(o.Tags) > 0 && meets(o, im) })
	for _, tag := range im.Tags {
		r.takeTag(tag, im)
	}
	if before >= 0 && len(r.images[before].Tags) == 0 { // it stands where the script first came to it
		r.images[before] = im
	} else {
		r.images = append(r.images, im)
	}
	r.images = slices.DeleteFunc(r.images, func(o *Image) bool { return o != im && len(o.Tags) == 0 && o.call.Tags != nil && !o.named })
}

// takeTag takes a tag away from the image that has it.
func (r *replay) takeTag(tag string, by *Image) {
	for _, old := range r.images {
		at := slices.IndexFunc(old.Tags, func(t string) bool { return catalog.Canonical(t) == catalog.Canonical(tag) })
		if at < 0 || old == by {
			continue
		}
		old.Tags = slices.Delete(slices.Clone(old.Tags), at, at+1)
		if sameBuild(old, by) {
			continue
		}
		r.warnings.add("%s: built more than once, with different inputs; as in docker, the last one counts", tag+" ("+strings.Join(unlike(old, by), ", ")+")")
	}
}

func (r *replay) tag(source, target string) {
	for _, im := range r.images {
		has := slices.Contains(canonicalTags(im.Tags), catalog.Canonical(source))
		id, want := strings.TrimPrefix(im.id, "sha256:"), strings.TrimPrefix(source, "sha256:")
		if !has && (id == "" || len(want) < 4 || !strings.HasPrefix(id, want)) {
			continue
		}
		r.tagAs(im, target)
		return
	}
}

// tagAs gives an image a tag.
func (r *replay) tagAs(im *Image, tag string) {
	r.takeTag(tag, im)
	if !slices.Contains(canonicalTags(im.Tags), catalog.Canonical(tag)) {
		im.Tags = append(slices.Clone(im.Tags), tag)
	}
}

// meets tells whether two builds are of one image: they share a tag, or have a name, or
// none of both.
func meets(a, b *Image) bool {
	if a.named != b.named || a.named && a.Name != b.Name {
		return false
	}
	if len(a.call.Tags) == 0 && len(b.call.Tags) == 0 {
		return true
	}
	shared := canonicalTags(b.Tags)
	return slices.ContainsFunc(canonicalTags(a.Tags), func(t string) bool { return slices.Contains(shared, t) })
}

func canonicalTags(tags []string) []string {
	out := []string{}
	for _, t := range tags {
		out = append(out, catalog.Canonical(t))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func sameBuild(a, b *Image) bool { return len(unlike(a, b)) == 0 }

// unlike lists in what two builds differ, but for their tags.
func unlike(a, b *Image) []string {
	var out []string
	note := func(what string, same bool) {
		if !same {
			out = append(out, what)
		}
	}
	note("Dockerfile", a.text == b.text && a.Dockerfile == b.Dockerfile && slices.Equal(a.Substitute, b.Substitute))
	note("context", a.Context == b.Context && a.RemoteContext == b.RemoteContext)
	note("target", a.Target == b.Target)
	note("arguments", maps.Equal(a.Args, b.Args))
	note("platforms", slices.Equal(a.Platforms, b.Platforms))
	note("named contexts", slices.Equal(a.Contexts, b.Contexts))
	note("flags", slices.Equal(a.unworded, b.unworded))
	return out
}

// name gives each image its name.
func (r *replay) name() {
	used := map[string]bool{}
	for _, im := range r.images {
		if im.named && !used[im.Name] {
			used[im.Name] = true
		}
	}
	seen := map[string]*Image{}
	for _, im := range r.images {
		if im.named && seen[im.Name] == nil {
			seen[im.Name] = im
			continue
		}
		name := ""
		if len(im.Tags) > 0 {
			if name = standin.ImageName(im.Tags[0]); used[name] { // with more of its path
				name = strings.Trim(unfit.ReplaceAllString(im.Tags[0], "-"), "-")
			}
		} else if base := path.Base(path.Dir(im.Dockerfile)); base != "." && base != "/" {
			name = strings.Trim(unfit.ReplaceAllString(base, "-"), "-")
		}
		if name == "" {
			name = "image"
		}
		im.Name = name
		for n := 2; used[im.Name]; n++ {
			im.Name = fmt.Sprintf("%s-%d", name, n)
		}
		used[im.Name] = true
	}
}

// imagesOf makes the images of a run.
func imagesOf(_ context.Context, root string, run *Run) (*replay, error) {
	r := &replay{root: root}
	for _, c := range run.Calls {
		if err := r.take(c); err != nil {
			return nil, fmt.Errorf("call %d, %s: %w", c.Number, c.Program, err)
		}
	}
	for _, ref := range r.found {
		if !slices.ContainsFunc(r.images, func(im *Image) bool { return slices.Contains(canonicalTags(im.Tags), catalog.Canonical(ref)) }) {
			r.warnings.add("%s: the script asked whether it is there, and it was: what the script does where it is not was not seen", ref)
		}
	}
	r.name()
	for _, im := range r.images {
		im.Refs = nil
		for _, t := range im.Tags {
			im.Refs = append(im.Refs, catalog.Canonical(t))
		}
	}
	return r, nil
}
