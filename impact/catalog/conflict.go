package catalog

import (
	"fmt"
	"reflect"

	"rebuild/impact"
)

// sharedTags warns of images with one tag and different builds. Whether that
// is an error is for the plan to say: only who reads the tag, and a run that
// would build both, suffers.
func sharedTags(images []impact.Image) []string {
	var out []string
	first := map[string]int{} // reference -> the first image that has it
	said := map[[2]int]bool{}
	for i, im := range images {
		for k, ref := range im.Refs {
			j, ok := first[ref]
			if !ok {
				first[ref] = i
				continue
			}
			if i == j || said[[2]int{j, i}] || sameBuild(images[j], im) {
				continue
			}
			said[[2]int{j, i}] = true
			out = append(out, fmt.Sprintf("images %s and %s have one tag and different builds: %s", images[j].Name, im.Name, im.Tags[k]))
		}
	}
	return out
}

// sameBuild tells whether two images differ by what they are called only.
func sameBuild(a, b impact.Image) bool {
	for _, im := range []*impact.Image{&a, &b} {
		im.Name, im.Tags, im.Refs, im.Origin, im.DerivedOf = "", nil, nil, "", ""
	}
	return reflect.DeepEqual(a, b)
}
