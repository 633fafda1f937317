package catalog

import (
	"errors"
	"strings"

	"github.com/distribution/reference"

	"rebuild/impact"
)

// normalise gives the full form of a tag: "app" is "docker.io/library/app:latest".
func normalise(tag string) (string, error) {
	named, err := reference.ParseNormalizedNamed(tag)
	if err != nil {
		return "", err
	}
	if _, ok := named.(reference.Digested); ok {
		return "", errors.New("an image cannot be tagged with a digest")
	}
	return reference.TagNameOnly(named).String(), nil
}

// sameImage tells whether two references, as written, mean one image.
func sameImage(a, b string) bool {
	return canonical(a) == canonical(b)
}

func canonical(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.TagNameOnly(named).String()
}

// contextName is the name under which the Dockerfile frontend seeks a named
// context for a reference (buildkit frontend/dockerui NamedContext): familiar,
// with the tag, but without ":latest".
func contextName(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// setRefs gives an image the references that others find it under. A bad tag is
// left out of both lists, and the first one is the error.
func setRefs(im *impact.Image) (bad string, err error) {
	im.Refs = nil
	var good []string
	for _, tag := range im.Tags {
		ref, failed := normalise(tag)
		if failed == nil {
			good, im.Refs = append(good, tag), append(im.Refs, ref)
		} else if err == nil {
			bad, err = tag, failed
		}
	}
	im.Tags = good
	if len(im.Refs) == 0 {
		im.Refs = []string{impact.UntaggedRef(im.Name)}
	}
	return bad, err
}
