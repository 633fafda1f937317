package recording

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"rebuild/impact"
	"rebuild/impact/catalog"
)

// section is a run of builds that belong together.
type section struct {
	name    string
	images  []*Image
	derived *derivation // of all its images, each of another one
}

// sections cuts the builds, in their order, where their kind changes: bases, on which
// others are built, then those that end in the same tag, then those derived alike. A kind
// that comes and goes (base, app, base, app) cuts nothing.
func sections(images []*Image, derived map[*Image]*derivation) []section {
	bases := basesOf(images)
	variants := map[*Image]string{}
	for _, im := range images {
		variants[im] = variant(im)
	}
	byBase := contiguous(images, func(im *Image) string { return boolWord(bases[im]) })
	byVariant := contiguous(images, func(im *Image) string {
		if bases[im] || derived[im] != nil {
			return ""
		}
		return variants[im] + boolWord(im.generic)
	}, "")
	var out []section
	var last string
	for _, im := range images {
		kind := ""
		d := derived[im]
		switch {
		case d != nil:
			kind = "derived"
		case bases[im] && byBase:
			kind = "base"
		case byVariant:
			kind = "variant " + variants[im] + boolWord(im.generic)
		}
		n := len(out) - 1
		if n < 0 || kind != last || d != nil && !d.same(out[n].derived) {
			out = append(out, section{derived: d})
			n++
		}
		out[n].images = append(out[n].images, im)
		last = kind
	}
	nameSections(out, bases, variants)
	return out
}

func boolWord(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// contiguous tells whether each value comes in one run. Those in skip do not count.
func contiguous(images []*Image, value func(*Image) string, skip ...string) bool {
	var seen []string
	last := "\x00"
	for _, im := range images {
		v := value(im)
		if slices.Contains(skip, v) {
			continue
		}
		if v != last && slices.Contains(seen, v) {
			return false
		}
		seen = append(seen, v)
		last = v
	}
	return true
}

// basesOf are the images that others begin FROM.
func basesOf(images []*Image) map[*Image]bool {
	out := map[*Image]bool{}
	for _, im := range images {
		begin := *im
		begin.text = strings.Join(beginnings.FindAllString(im.text, -1), "\n")
		begin.Contexts = nil
		for _, p := range parentsOf(&begin, images) {
			if p != im {
				out[p] = true
			}
		}
	}
	return out
}

// beginnings are the lines of a Dockerfile that say what its stages begin with.
var beginnings = regexp.MustCompile(`(?im)^\s*(?:ARG|FROM)\s.*$`)

// parentsOf are the images that one reads.
func parentsOf(im *Image, images []*Image) []*Image {
	refs, err := catalog.References([]byte(im.text), im.Args)
	if err != nil {
		return nil // whoever plans it is told
	}
	for _, c := range im.Contexts {
		refs = append(refs, c.Ref)
	}
	var out []*Image
	for _, o := range images {
		linked := slices.ContainsFunc(im.Contexts, func(c impact.NamedContext) bool { return c.Image != "" && c.Image == o.Name })
		if o != im && (linked || slices.ContainsFunc(refs, func(r string) bool { return slices.Contains(o.Refs, catalog.Canonical(r)) })) {
			out = append(out, o)
		}
	}
	return out
}

// variant is the tag of an image without its repository. One that is no word but a version
// tells nothing of what it is.
func variant(im *Image) string {
	if len(im.Tags) == 0 {
		return ""
	}
	tag := im.Tags[0]
	at := strings.LastIndexByte(tag, ':')
	if at < strings.LastIndexByte(tag, '/') || at < 0 {
		return ""
	}
	if tag = tag[at+1:]; tag == "latest" || tag == "" || !unicode.IsLetter(rune(tag[0])) || version.MatchString(tag) {
		return ""
	}
	return tag
}

var version = regexp.MustCompile(`^v?\d`)

// nameSections gives each section a name of its own.
func nameSections(list []section, bases map[*Image]bool, variants map[*Image]string) {
	used := map[string]bool{}
	for i := range list {
		s := &list[i]
		name := "Images"
		v := variants[s.images[0]]
		same := !slices.ContainsFunc(s.images, func(im *Image) bool { return variants[im] != v })
		switch all := !slices.ContainsFunc(s.images, func(im *Image) bool { return !bases[im] }); {
		case s.derived != nil && same && v != "":
			name = v + " images, derived"
		case s.derived != nil:
			name = "Derived images"
		case all:
			name = "Base images"
		case same && v != "":
			name = v + " images"
		}
		s.name = name
		for n := 2; used[s.name]; n++ {
			s.name = name + " " + strconv.Itoa(n)
		}
		used[s.name] = true
	}
}

// ordered tells whether no image is built on one of a later section; else it names both.
func ordered(list []section, images []*Image) (bool, string) {
	at := map[*Image]int{}
	for i, s := range list {
		for _, im := range s.images {
			at[im] = i
		}
	}
	for _, im := range images {
		for _, p := range parentsOf(im, images) {
			if at[p] > at[im] {
				return false, im.label() + " before " + p.label() + ", which it is built on"
			}
		}
	}
	return true, ""
}
