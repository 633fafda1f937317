package catalog

import (
	"math/bits"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// segment is one folder of a Dockerfile's path, or the variant of its name.
type segment struct {
	text  string   // its words, joined
	parts []string // what lies between dashes and the like, joined, when it is several
	// silent says that it may be missing from a reference: it is a folder that says nothing of
	// what is built in it, or the only one of its folder that holds Dockerfiles.
	silent bool
}

// segments gives each image the words of its path, the last folder first.
func (d *discovery) segments() {
	below := map[string]map[string]bool{} // folder -> what holds Dockerfiles in it
	for _, im := range d.images {
		for at := im.dockerfile; at != "."; at = path.Dir(at) {
			dir := path.Dir(at)
			if below[dir] == nil {
				below[dir] = map[string]bool{}
			}
			below[dir][at] = true
		}
	}
	for _, im := range d.images {
		im.segments = nil
		add := func(name string, silent bool) {
			if words := wordsOf(name); len(words) > 0 {
				im.segments = append(im.segments, segment{joined(words), partsOf(name), silent})
			}
		}
		add(im.variant, false)
		for at := path.Dir(im.dockerfile); at != "."; at = path.Dir(at) {
			name := path.Base(at)
			add(name, len(below[path.Dir(at)]) == 1 && len(im.segments) > 0 || slices.Contains(generic, strings.ToLower(name)))
		}
	}
}

// partsOf splits a name where its writer did, for names that put the words of a reference
// in another order.
func partsOf(name string) []string {
	var parts []string
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		if words := wordsOf(part); len(words) > 0 {
			parts = append(parts, joined(words))
		}
	}
	if len(parts) < 2 {
		return nil
	}
	return parts
}

// match is how well the words of a path fit those of a claim, the worst first.
type match int

const (
	noMatch   match = iota
	byStem          // they say more than name and tag: one platform of several, perhaps
	byPart          // they are the name, and a part of the tag
	byTag           // they are the tag, and nothing of the name
	byRepo          // they are the end of the name, and nothing of the tag
	byRelease       // they are the end of name and tag, but for the end of a version
	byAll           // they are the end of name and tag
	wholly          // they are name and tag
)

// fitting is how an image fits a claim.
type fitting struct {
	image   *foundImage
	match   match
	words   int    // of the claim, that the path has
	spelled bool   // the claim has the whole path
	short   bool   // a version of the path is shorter than that of the claim
	sure    bool   // what the tag says more is but a version
	lead    string // words of the name before those that the path has, joined
}

// betterThan orders the fittings of one claim.
func (f fitting) betterThan(o fitting) bool {
	switch {
	case f.match != o.match:
		return f.match > o.match
	case f.words != o.words:
		return f.words > o.words
	case f.short != o.short:
		return !f.short
	case f.spelled != o.spelled:
		return f.spelled
	}
	return f.image.apart == "" && o.image.apart != ""
}

// stretch is where in a claim some joined words stand.
type stretch struct {
	mask  uint64 // of the claim's words
	short bool   // a version is cut short, or written without dots; or words stand apart
}

// spansCap is of how many words of a claim a folder's name is made at most.
const spansCap = 16

// wordsCap is of how many words a claim is compared at most; more have no reference that
// anybody writes.
const wordsCap = 64

// index notes a claim's words, in the order path, name, tag, by how folders may spell them.
func (c *claim) index() {
	all := slices.Concat(c.path, c.tag)
	if len(all) > wordsCap {
		all = all[:wordsCap]
	}
	c.spans = map[string][]stretch{}
	add := func(text string, s stretch) {
		if known := c.spans[text]; !slices.Contains(known, s) {
			c.spans[text] = append(known, s)
		}
	}
	for from := range all {
		for to := from + 1; to <= min(len(all), from+spansCap); to++ {
			words := all[from:to]
			mask := uint64(1)<<to - uint64(1)<<from
			if to == wordsCap {
				mask = -(uint64(1) << from)
			}
			text := joined(words)
			add(text, stretch{mask: mask})
			if folded := strings.ReplaceAll(text, ".", ""); folded != text && len(folded) > 2 {
				add(folded, stretch{mask: mask, short: true})
			}
			for i, w := range words {
				for _, less := range shortened(w) {
					add(joined(slices.Concat(words[:i], []string{less}, words[i+1:])), stretch{mask: mask, short: true})
				}
			}
		}
	}
	bit := func(from, to int) uint64 {
		if to >= wordsCap {
			return -(uint64(1) << min(from, wordsCap-1))
		}
		return uint64(1)<<to - uint64(1)<<from
	}
	n := len(c.path)
	c.nameMask, c.tagMask = bit(n-len(c.words), n), bit(n, n+len(c.tag))
	if len(c.tag) == 0 {
		c.tagMask = 0
	}
	for i, w := range all {
		if startsWithDigit(w) {
			c.numbers |= 1 << i
		}
	}
}

// fits compares the path of an image with a claim.
func (im *foundImage) fits(c *claim) fitting {
	f := fitting{image: im, spelled: true}
	used, last := uint64(0), uint64(0)
	missed, skipped := 0, 0 // folders that the claim has not, and those below others that it has
	numbered := false       // a version is among them
	below := 0              // folders below the first that it has, which it has not
	for _, s := range im.segments {
		at, ok := s.pick(c, used, last)
		switch {
		case ok:
			if used != 0 {
				skipped += missed
			}
			used, last, missed = used|at.mask, at.mask, 0
			f.short = f.short || at.short
		default:
			if used == 0 && !s.silent {
				below++
			}
			numbered = numbered || startsWithDigit(s.text)
			if !s.silent {
				missed++
			}
		}
	}
	f.spelled = missed == 0
	f.words = bits.OnesCount64(used)
	f.match, f.sure = c.judge(used, f.short, skipped)
	var lead []string
	for i, w := range c.words {
		if used&(1<<min(len(c.path)-len(c.words)+i, wordsCap-1)) == 0 {
			lead = append(lead, w)
		}
	}
	f.lead = joined(lead)
	if f.match == byTag && !f.spelled || numbered && c.tagMask&^used&c.numbers != 0 { // another version
		f.match = noMatch
	}
	if below > 0 {
		f.spelled, f.sure = false, false
		if f.match != wholly && f.match != byRelease {
			f.match = noMatch
		} else {
			f.match = byStem
		}
	}
	return f
}

// pick takes the place of a folder in a claim: as it is written, else part by part.
func (s segment) pick(c *claim, used, last uint64) (stretch, bool) {
	if at, ok := pick(c.spans[s.text], used, last); ok || s.parts == nil {
		return at, ok
	}
	all := stretch{short: true}
	for _, part := range slices.Backward(s.parts) {
		at, ok := pick(c.spans[part], used|all.mask, 0)
		if !ok {
			return stretch{}, false
		}
		all.mask |= at.mask
	}
	return all, true
}

// pick takes the place of a folder's words in a claim: one that is free, as written rather
// than shortened, and before the words of the folder below rather than elsewhere.
func pick(spans []stretch, used, last uint64) (stretch, bool) {
	best, rank := stretch{}, 0
	for _, s := range spans {
		if s.mask&used != 0 {
			continue
		}
		r := 1
		if !s.short {
			r += 4
		}
		if last == 0 || s.mask < last {
			r += 2
		}
		if r > rank || r == rank && s.mask > best.mask {
			best, rank = s, r
		}
	}
	return best, rank > 0
}

// judge says how well a claim is met by those of its words that a path has.
func (c *claim) judge(used uint64, short bool, skipped int) (m match, sure bool) {
	name, tag := c.nameMask, c.tagMask
	left := tag &^ used
	sure = left&^c.numbers == 0
	switch got := used & name; {
	case skipped > 1 || skipped > 0 && !sure:
		return noMatch, false
	case got&^c.numbers == 0: // a number alone names nothing
		if got == 0 && tag != 0 && left == 0 && bits.OnesCount64(tag) > 1 && skipped == 0 {
			return byTag, true
		}
		return noMatch, false
	case name&^used >= got&-got: // the name goes on after what the path has of it
		return noMatch, false
	case skipped > 0:
		return byPart, sure
	case tag != 0 && left == tag:
		return byRepo, sure
	case left != 0:
		return byPart, sure
	case short:
		return byRelease, true
	case name&^used != 0:
		return byAll, true
	}
	return wholly, true
}

// reads tells whether a Dockerfile takes any image of a repository.
func (im *foundImage) reads(repo string) bool {
	if im.repos == nil {
		im.repos = map[string]bool{}
		for _, ref := range im.recipe.refs {
			if named, err := reference.ParseNormalizedNamed(ref.text); err == nil {
				im.repos[named.Name()] = true
			}
		}
	}
	return im.repos[repo]
}
