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
	wanted := map[string]int{}
	for _, im := range d.images {
		wanted[im.folderName(root, d.under(im))]++
	}
	for _, im := range d.images {
		if im.name != "" {
			continue
		}
		name := im.folderName(root, d.under(im))
		for n := 1 + d.under(im); n <= strings.Count(im.dockerfile, "/") && (wanted[name] > 1 || used[name]); n++ {
			name = im.folderName(root, n)
		}
		give(im, name)
		tag := strings.Trim(strings.ToLower(im.name), "-_.")
		if slices.Contains(official, tag) { // which the engine may hold under that tag
			tag = strings.Trim(strings.ToLower(clean(root)), "-_.") + "-" + tag
		}
		if len(im.doubt) == 0 && !d.mentions(tag) {
			if _, err := normalise(tag); err == nil {
				im.tags = []string{tag}
			}
		}
	}
}

// under counts the folders from an image's own up to the one that holds another's
// Dockerfile: it is a variant of that one. 0 when there is none.
func (d *discovery) under(im *foundImage) int {
	own := path.Dir(im.dockerfile)
	for n, at := 1, path.Dir(own); own != "." && at != "."; n, at = n+1, path.Dir(at) {
		if slices.ContainsFunc(d.images, func(o *foundImage) bool { return path.Dir(o.dockerfile) == at }) {
			return n
		}
	}
	return 0
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

// mentions tells whether some Dockerfile reads an image of that short name: to
// build one under it would take it from that Dockerfile.
func (d *discovery) mentions(tag string) bool {
	ref, err := normalise(tag)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(d.images, func(im *foundImage) bool {
		return slices.ContainsFunc(im.recipe.refs, func(r baseRef) bool { return canonical(r.text) == ref })
	})
}

// release is a folder that is called like a version.
var release = regexp.MustCompile(`^v?\d+([._-]\d+)*$`)

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

func clean(name string) string { return strings.Trim(unfit.ReplaceAllString(name, "-"), "-") }
