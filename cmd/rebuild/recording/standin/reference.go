package standin

import (
	"fmt"
	"regexp"
	"strings"
)

// canonical gives the full form of a reference: "app" is "docker.io/library/app:latest"
// (distribution/reference normalize.go; only what is no reference at all differs).
func canonical(ref string) string {
	name, digested, isDigested := strings.Cut(ref, "@")
	first, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first {
		first, rest = "docker.io", name
	}
	if first == "index.docker.io" {
		first = "docker.io"
	}
	if first == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	full := first + "/" + rest
	if isDigested {
		return full + "@" + digested
	}
	if !strings.Contains(rest, ":") {
		full += ":latest"
	}
	return full
}

// familiar is the short form of a reference, with its tag.
func familiar(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(canonical(ref), "docker.io/"), "library/")
}

// split gives the repository and the tag of a reference.
func split(ref string) (repository, tag string) {
	full := familiar(ref)
	at := strings.LastIndexByte(full, ':')
	if at < strings.LastIndexByte(full, '/') || at < 0 {
		return full, "<none>"
	}
	return full[:at], full[at+1:]
}

// taggable is what an image can be tagged as, in its full form (distribution/reference
// regexp.go).
var taggable = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$`)

// validTag is the error of what no image can be tagged as.
func validTag(tag string) error {
	if tag == "" || !taggable.MatchString(canonical(tag)) {
		return fmt.Errorf("invalid tag %q: invalid reference format", tag)
	}
	return nil
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

// ImageName is what an image of that tag is called in a definition: the last part of its
// path, and its tag.
func ImageName(tag string) string {
	repository, version := split(tag)
	name := repository[strings.LastIndexByte(repository, '/')+1:]
	if version != "latest" && version != "<none>" {
		name += "-" + version
	}
	return strings.Trim(unfit.ReplaceAllString(name, "-"), "-")
}

// short is how docker prints an id in tables.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}
