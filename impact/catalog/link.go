package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A reference means the image of a Dockerfile when the two spell the same words. All are
// matched at once, each reference to the best and only Dockerfile. A wrong link is worse than
// none, so what words alone do not settle is settled by the others: the references of one
// namespace (registry and organisation) are mostly either all built here or none of them.
// What is left open is a question, and counts as an image from outside.

// question is a reference that may mean an image of this tree.
type question struct {
	claim *claim
	may   []*foundImage
}

// enough is how many other references of a namespace must be met before their example counts.
const enough = 2

// wide is from how many references on a namespace is taken for that of this tree, and
// how many times more than another's they must be.
const wide, wider = 5, 4

// link gives the images the references that mean them as tags.
func (d *discovery) link(claims []*claim, root string) {
	claims = d.known(claims)
	d.fit(claims)
	n := count(claims)
	byImage := map[*foundImage][]*claim{}
	var images []*foundImage
	for _, c := range claims {
		switch {
		case len(c.best) == 0:
		case c.foreign:
			d.ask(c, slices.DeleteFunc(c.best, func(f fitting) bool { return !f.spelled }))
		case len(c.best) > 1 || !c.stands(n, root) || n.met[c.space]*wider < n.most && n.most >= wide:
			d.ask(c, c.best)
		default:
			im := c.best[0].image
			if byImage[im] == nil {
				images = append(images, im)
			}
			byImage[im] = append(byImage[im], c)
		}
	}
	for _, im := range images {
		if im.tagged != "" { // what else it is called was told
			for _, c := range byImage[im] {
				d.ask(c, c.best)
			}
			continue
		}
		d.settle(im, byImage[im], n.met)
	}
	d.breakCircles(claims)
}

// known takes out the claims that are tags of an image: some file of the repository told so.
func (d *discovery) known(claims []*claim) []*claim {
	told := map[string]bool{}
	for _, im := range d.images {
		for _, tag := range im.tags {
			told[canonical(tag)] = true
		}
	}
	return slices.DeleteFunc(claims, func(c *claim) bool { return told[canonical(c.text)] })
}

// fit finds the images that fit each claim best.
func (d *discovery) fit(claims []*claim) {
	home := map[string]bool{} // repositories that some Dockerfile makes without reading them
	byLeaf, byFolder := map[string][]*foundImage{}, map[string][]*foundImage{}
	var silent []*foundImage // whose last folder need not be in a reference as it is
	for _, im := range d.images {
		for i, s := range im.segments {
			if i > 0 && !startsWithDigit(s.text) {
				byFolder[s.text] = append(byFolder[s.text], im)
			}
		}
		switch {
		case len(im.segments) == 0:
		case im.segments[0].silent, im.segments[0].parts != nil: // or may be there part by part
			silent = append(silent, im)
		default:
			byLeaf[im.segments[0].text] = append(byLeaf[im.segments[0].text], im)
		}
	}
	for _, c := range claims {
		var fitting []fitting
		take := func(images []*foundImage) {
			for _, im := range images {
				if f := im.fits(c); f.match != noMatch {
					fitting = append(fitting, f)
				}
			}
		}
		take(silent)
		for _, text := range sortedKeys(c.spans) {
			take(byLeaf[text])
		}
		if len(fitting) == 0 && !c.foreign {
			tried := map[*foundImage]bool{}
			for _, text := range sortedKeys(c.spans) {
				for _, im := range byFolder[text] {
					if !tried[im] {
						tried[im] = true
						take([]*foundImage{im})
					}
				}
			}
		}
		c.best = fitting
		for _, f := range fitting {
			if f.own() && !f.image.reads(c.repo) {
				home[c.repo] = true
			}
		}
	}
	for _, c := range claims {
		var best []fitting
		for _, f := range c.best {
			switch {
			case len(best) == 0 || f.betterThan(best[0]):
				best = []fitting{f}
			case !best[0].betterThan(f):
				best = append(best, f)
			}
		}
		best = slices.DeleteFunc(best, func(f fitting) bool {
			// Nothing is built on itself, and what reads another image of a repository mostly
			// does not make that repository's images, but adds to them.
			return slices.Contains(c.readers, f.image) || f.image.reads(c.repo) && !(home[c.repo] && f.own())
		})
		slices.SortFunc(best, func(a, b fitting) int { return strings.Compare(a.image.dockerfile, b.image.dockerfile) })
		c.best = best
	}
}

// own tells whether a path says so much of a claim that its Dockerfile makes the image, even
// if it reads another of that repository.
func (f fitting) own() bool {
	return f.spelled && slices.Contains([]match{wholly, byRelease, byTag, byAll}, f.match)
}

// counts are what the references of a tree have in common.
type counts struct {
	met, all map[string]int            // by namespace, and by repository: those that have one best image; all
	most     int                       // the largest of met
	leads    map[string]map[string]int // namespace -> what its names begin with before the words of a path
}

func count(claims []*claim) counts {
	n := counts{met: map[string]int{}, all: map[string]int{}, leads: map[string]map[string]int{}}
	for _, c := range claims {
		if c.foreign {
			continue
		}
		n.all[c.space]++
		n.all[c.repo]++
		if len(c.best) != 1 || !c.best[0].sure && c.best[0].match != byRepo {
			continue
		}
		n.met[c.space]++
		n.met[c.repo]++
		n.most = max(n.most, n.met[c.space])
		if n.leads[c.space] == nil {
			n.leads[c.space] = map[string]int{}
		}
		n.leads[c.space][c.best[0].lead]++
	}
	return n
}

// stands tells whether a claim means the one image that fits it: by its own words, or as most
// others of its namespace do.
func (c *claim) stands(n counts, root string) bool {
	f := c.best[0]
	if !f.sure && f.match != byRepo || !c.led(n, root) {
		return false
	}
	others, of := n.met[c.space]-1, n.all[c.space]-1
	asMost := others*2 >= of
	switch f.match {
	case wholly, byAll:
		return !f.short || asMost && others >= enough
	case byRelease:
		return asMost && (others >= enough || c.whole(f) && f.spelled && len(f.image.segments) > 2)
	case byRepo:
		return !c.release || f.words > 1 || asMost && others >= enough
	case byTag:
		return n.met[c.repo] > enough && n.met[c.repo]*2 > n.all[c.repo]
	}
	return asMost && others >= enough
}

// led tells whether what a name begins with says nothing of the image: it is the product's
// name, with which most others begin, too.
func (c *claim) led(n counts, root string) bool {
	lead := c.best[0].lead
	if lead == "" || c.best[0].match == byTag {
		return true
	}
	for _, name := range []string{root, c.space} {
		if strings.Contains(joined(wordsOf(name)), lead) {
			return true
		}
	}
	leads := n.leads[c.space]
	for other, count := range leads {
		if other != lead && count >= leads[lead] {
			return false
		}
	}
	return leads[lead] > 1
}

// whole tells whether all words of a claim are met.
func (c *claim) whole(f fitting) bool { return f.words >= len(c.words)+len(c.tag) }

// settle gives an image those of its claims that it can have at once: those of one
// repository, and of several releases of it only the one that most Dockerfiles name.
func (d *discovery) settle(im *foundImage, claims []*claim, met map[string]int) {
	best := slices.MaxFunc(claims, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(a.best[0].match, b.best[0].match), cmp.Compare(a.best[0].words, b.best[0].words), cmp.Compare(met[a.space], met[b.space]), cmp.Compare(met[a.repo], met[b.repo]))
	})
	equal := func(a, b *claim) bool {
		return a.repo != b.repo && a.best[0].match == b.best[0].match && a.best[0].words == b.best[0].words && met[a.space] == met[b.space] && met[a.repo] == met[b.repo]
	}
	disputed := slices.ContainsFunc(claims, func(c *claim) bool { return equal(c, best) })
	var exact, loose []*claim
	for _, c := range claims {
		switch f := c.best[0]; {
		case disputed || c.repo != best.repo:
			d.ask(c, c.best)
		case (f.match == wholly || f.match == byAll || f.match == byTag) && !f.short:
			exact = append(exact, c)
		default:
			loose = append(loose, c)
		}
	}
	slices.SortStableFunc(loose, func(a, b *claim) int { return cmp.Compare(len(b.readers), len(a.readers)) })
	for i, c := range loose {
		if i > 0 || len(exact) > 0 || len(loose) > 1 && len(loose[1].readers) == len(c.readers) {
			d.ask(c, c.best)
			continue
		}
		exact = append(exact, c)
	}
	for _, c := range exact {
		im.tags = append(im.tags, c.text)
		im.links = append(im.links, c)
		if im.named == "" {
			im.named = c.text + " in " + c.where
		}
	}
}

// ask notes that a claim may mean some images.
func (d *discovery) ask(c *claim, may []fitting) {
	if len(may) == 0 {
		return
	}
	q := &question{claim: c}
	for _, f := range may {
		q.may = append(q.may, f.image)
		f.image.doubt = append(f.image.doubt, c.said())
	}
	for _, reader := range c.readers {
		reader.maybe = append(reader.maybe, c.text)
	}
	d.questions = append(d.questions, q)
}

// breakCircles takes the links away that would have an image built on itself.
func (d *discovery) breakCircles(claims []*claim) {
	parents := map[*foundImage][]*foundImage{}
	for _, im := range d.images {
		for _, c := range im.links {
			for _, reader := range c.readers {
				parents[reader] = append(parents[reader], im)
			}
		}
	}
	for _, im := range d.images {
		if !reaches(parents, im, im, map[*foundImage]bool{}) {
			continue
		}
		for _, c := range im.links {
			d.ask(c, c.best)
		}
		im.tags, im.links, im.named = nil, nil, ""
	}
}

// reaches tells whether an image is built on another, directly or not.
func reaches(parents map[*foundImage][]*foundImage, from, to *foundImage, seen map[*foundImage]bool) bool {
	for _, p := range parents[from] {
		if p == to {
			return true
		}
		if !seen[p] {
			seen[p] = true
			if reaches(parents, p, to, seen) {
				return true
			}
		}
	}
	return false
}

// apart tells whether a question is of interest to images alone that stand apart.
func (q *question) apart() bool {
	in := func(im *foundImage) bool { return im.apart == "" }
	return !slices.ContainsFunc(q.may, in) || !slices.ContainsFunc(q.claim.readers, in)
}

// said words a question, after the path of the first Dockerfile that it is about.
func (q *question) said() string {
	return fmt.Sprintf("%s: %s may mean the image of %s, or one from outside: it is taken for one from outside", q.may[0].dockerfile, q.claim.said(), these(q.may))
}

// these words several Dockerfiles, after the path of the first.
func these(may []*foundImage) string {
	const shown = 3
	files := "this file"
	for i, im := range may[1:] {
		if i+1 == shown {
			return files + fmt.Sprintf(" or of %d more", len(may)-shown)
		}
		files += " or of " + im.dockerfile
	}
	return files
}
