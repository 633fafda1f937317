package catalog

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// generic are folders that say nothing of what is built in them.
var generic = []string{"docker", "dockerfiles", "dockerfile", "build", "container", "containers", "images", "image", "deploy", "ci", "src", ".", "/"}

// name gives each image its name, and a tag to those that no reference names.
func (d *discovery) name(root string) {
	used := map[string]bool{}
	give := func(im *foundImage, name string) {
		for n := 2; used[name]; n++ {
			name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", n-1)), n)
		}
		used[name] = true
		im.name = name
	}
	for _, im := range d.images {
		if len(im.tags) > 0 {
			give(im, clean(strings.Replace(path.Base(im.tags[0]), ":", "-", 1)))
		}
	}
	wanted, above, mentioned := map[string]int{}, d.under(), d.mentioned()
	for _, im := range d.images {
		wanted[im.folderName(root, above[im])]++
	}
	for _, im := range d.images {
		if im.name != "" {
			continue
		}
		name := im.folderName(root, above[im])
		for n := 1 + above[im]; n <= strings.Count(im.dockerfile, "/") && (wanted[name] > 1 || used[name]); n++ {
			name = im.folderName(root, n)
		}
		give(im, name)
		tag := strings.Trim(strings.ToLower(im.name), "-_.")
		if slices.Contains(official, tag) { // which the engine may hold under that tag
			tag = strings.Trim(strings.ToLower(clean(root)), "-_.") + "-" + tag
		}
		if ref, err := normalise(tag); err == nil && len(im.doubt) == 0 && !mentioned[ref] {
			im.tags = []string{tag}
		}
	}
}

// under counts the folders from each image's own up to the one that holds another's
// Dockerfile: it is a variant of that one. 0 when there is none.
func (d *discovery) under() map[*foundImage]int {
	has := map[string]bool{}
	for _, im := range d.images {
		has[path.Dir(im.dockerfile)] = true
	}
	out := map[*foundImage]int{}
	for _, im := range d.images {
		own := path.Dir(im.dockerfile)
		for n, at := 1, path.Dir(own); own != "." && at != "."; n, at = n+1, path.Dir(at) {
			if has[at] {
				out[im] = n
				break
			}
		}
	}
	return out
}

// folderName is a name made of an image's folder, and of so many above it.
func (im *foundImage) folderName(root string, above int) string {
	var parts []string
	at := path.Dir(im.dockerfile)
	for n := 0; at != "." && n <= above; at = path.Dir(at) {
		if base := path.Base(at); n < above || !slices.Contains(generic, strings.ToLower(base)) || len(parts) > 0 {
			parts = append([]string{base}, parts...)
			if !release.MatchString(base) { // which alone names nothing
				n++
			}
		} else if path.Dir(at) == "." {
			break
		}
	}
	if len(parts) == 0 && im.variant == "" {
		parts = []string{root}
	}
	if im.variant != "" {
		parts = append(parts, im.variant)
	}
	if name := clean(strings.Join(parts, "-")); name != "" {
		return name
	}
	return "app"
}

// mentioned are the images that Dockerfiles read: to build one under such a name would take
// it from them.
func (d *discovery) mentioned() map[string]bool {
	out := map[string]bool{}
	for _, im := range d.images {
		for _, r := range im.recipe.refs {
			out[canonical(r.text)] = true
		}
	}
	return out
}

// release is a folder that is called like a version.
var release = regexp.MustCompile(`^v?\d+([._-]\d+)*$`)

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

func clean(name string) string { return strings.Trim(unfit.ReplaceAllString(name, "-"), "-") }
