package catalog

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// claim is a reference that some Dockerfiles make and that may mean the image of
// another.
type claim struct {
	text  string // as first written
	repo  string // "quay.io/team/app"
	words []string
	tag   []string // words of the tag, without "latest"
	where string   // path:line of the first that makes it

	path     []string   // words of the repository's whole path, the name's at its end
	tagFirst []string   // words of tag and name
	releases [][]string // words of name and tag, with versions cut short
	fitting  []fitting
}

// fitting is an image that may be the one that a claim means.
type fitting struct {
	image *foundImage
	words int // of the claim that its folders make
	match match
}

// match is how well a Dockerfile's folders fit a claim.
type match int

const (
	noMatch   match = iota
	byRelease       // they are name and tag, but for the end of a version: 10.0 of 10.0.3
	byRepo          // they are the end of the repository's name, and the tag says more
	byAll           // they are the end of name and tag
	wholly          // they are name and tag
)

// labelsCap is how many folders a label has at most: name, version, system and platform
// of "runtime/10.0/alpine/amd64", and one more.
const labelsCap = 5

// infer gives the images their names and tags: by the references that other
// Dockerfiles make, then by their folders.
func (d *discovery) infer(root string) {
	taken := map[string]string{} // Dockerfile -> repository of its tags
	for _, im := range d.images {
		im.labels = im.findLabels()
	}
	claims := d.claims()
	for _, pass := range []func(claim) bool{
		func(c claim) bool { return !versioned(c.tag) },
		func(c claim) bool { return versioned(c.tag) },
	} {
		for _, kind := range []match{wholly, byAll, byRepo, byRelease} {
			for _, c := range claims {
				if pass(c) && !d.settled(c) {
					d.assign(c, kind, taken)
				}
			}
		}
	}
	d.name(root)
	d.unmet()
}

// unmet notes the references that would mean an image if their arguments had values.
func (d *discovery) unmet() {
	for _, reader := range d.images {
		for _, ref := range reader.recipe.open {
			name, _, _ := strings.Cut(path.Base(ref.text), ":")
			if strings.ContainsAny(name, "${}@") {
				continue
			}
			c := claim{words: wordsOf(name), path: wordsOf(name)}
			for _, im := range d.images {
				if _, m := im.fits(c); m == wholly && im != reader {
					im.unmet = append(im.unmet, fmt.Sprintf("%s (%s:%d) may mean the image of this file, but has no value: --build-arg %s=...", ref.text, reader.dockerfile, ref.line, strings.Join(ref.lacks, "=... --build-arg ")))
				}
			}
		}
	}
}

// claims lists the references of all Dockerfiles, the longest names first. One with
// a digest is pinned: no build of this tree is meant.
func (d *discovery) claims() []claim {
	var out []claim
	for _, im := range d.images {
		for _, ref := range im.recipe.refs {
			named, err := reference.ParseNormalizedNamed(ref.text)
			if err != nil || !reference.IsNameOnly(named) && isDigested(named) {
				continue
			}
			c := claim{text: reference.FamiliarString(named), repo: named.Name(), where: fmt.Sprintf("%s:%d", im.dockerfile, ref.line)}
			c.words, c.path = wordsOf(path.Base(c.repo)), wordsOf(reference.Path(named))
			if tagged, ok := named.(reference.Tagged); ok && tagged.Tag() != "latest" {
				c.tag = wordsOf(tagged.Tag())
				c.releases = releasesOf(c.words, tagged.Tag())
			} else {
				c.text = reference.FamiliarName(named)
			}
			if !slices.ContainsFunc(out, func(o claim) bool { return o.text == c.text }) {
				out = append(out, c)
			}
		}
	}
	for i := range out {
		c := &out[i]
		c.tagFirst = slices.Concat(c.tag, c.words)
		for _, im := range d.images {
			if n, m := im.fits(*c); m != noMatch {
				c.fitting = append(c.fitting, fitting{im, n, m})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b claim) int {
		return cmp.Or(cmp.Compare(len(b.words)+len(b.tag), len(a.words)+len(a.tag)), strings.Compare(a.text, b.text))
	})
	return out
}

func isDigested(n reference.Named) bool { _, ok := n.(reference.Digested); return ok }

// settled tells whether an image has the claim's tag by now, or may have: then none that fits
// less well is asked.
func (d *discovery) settled(c claim) bool {
	return slices.ContainsFunc(d.images, func(im *foundImage) bool {
		return slices.Contains(im.tags, c.text) || slices.Contains(im.doubt, c.said())
	})
}

// said is a claim with where it is made.
func (c claim) said() string { return c.text + " (" + c.where + ")" }

// assign gives a claim to the one image that fits it best.
func (d *discovery) assign(c claim, kind match, taken map[string]string) {
	var best []*foundImage
	longest := 0
	for _, f := range c.fitting {
		im, n := f.image, f.words
		repo, has := taken[im.dockerfile]
		switch {
		case f.match != kind || n < longest || im.reads(c.repo) || has && repo != c.repo:
			continue
		case versioned(c.tag) && has:
			continue // a release of the image that the others name without one
		case n > longest:
			best, longest = nil, n
		}
		best = append(best, im)
	}
	switch {
	case len(best) == 0:
		return
	case len(best) > 1 || foreign(c) || kind == byRelease || kind == byRepo && versioned(c.tag) && longest == 1:
		for _, im := range best {
			im.doubt = append(im.doubt, c.said())
		}
		return
	}
	im := best[0]
	if kind == byRepo && len(im.tags) > 0 {
		im.doubt = append(im.doubt, c.said())
		return
	}
	taken[im.dockerfile] = c.repo
	im.tags = append(im.tags, c.text)
	if im.named == "" {
		im.named = c.text + " in " + c.where
	}
}

// label is a path of folders, and perhaps the variant of a file at its end, each without what
// separates its words. That is written in many ways: "NodeBase" is the folder of "node-base".
type label []string

// findLabels gives what an image's folders say of it: the last of them, the last two and so
// on. There is one more such row, without the folders that say nothing.
func (im *foundImage) findLabels() []label {
	var out []label
	for _, quiet := range []bool{false, true} {
		var l label
		if variant := joined(im.variant); variant != "" {
			l = label{variant}
			out = append(out, l)
		}
		for at := path.Dir(im.dockerfile); at != "." && at != "/" && len(l) < labelsCap; at = path.Dir(at) {
			name := path.Base(at)
			if word := joined(name); word != "" && !(quiet && slices.Contains(generic, strings.ToLower(name))) {
				l = slices.Concat(label{word}, l)
				out = append(out, l)
			}
		}
	}
	return out
}

func joined(name string) string { return strings.Join(wordsOf(name), "") }

// fits compares an image's labels with the words of a claim, and gives how many of these
// the best one covers.
func (im *foundImage) fits(c claim) (int, match) {
	best, kind := 0, noMatch
	better := func(n int, m match) {
		if n > 0 && (m > kind || m == kind && n > best) {
			best, kind = n, m
		}
	}
	all := slices.Concat(c.path, c.tag)
	whole := len(c.words) + len(c.tag)
	for _, l := range im.labels {
		switch n := l.covers(all); {
		case n >= whole:
			better(n, wholly)
		case l.covers(c.tagFirst) == whole:
			better(whole, wholly)
		case n > len(c.tag):
			better(n, byAll)
		default:
			better(l.covers(c.path), byRepo)
			for _, shorter := range c.releases {
				if n := l.covers(shorter); n == len(shorter) {
					better(n, byRelease)
				}
			}
		}
	}
	return best, kind
}

// covers counts the last words that a label is made of, 0 if it is not.
func (l label) covers(words []string) int {
	end := len(words)
	for _, folder := range slices.Backward(l) {
		for folder != "" {
			end--
			if end < 0 || words[end] == "" {
				return 0
			}
			var ok bool
			if folder, ok = strings.CutSuffix(folder, words[end]); !ok {
				return 0
			}
		}
	}
	return len(words) - end
}

var version = regexp.MustCompile(`\d+(\.\d+)+`)

// releasesOf gives the words of a name and its tag with the versions in the tag cut short, as
// folders have them: those of 10.0 and of 10 for 10.0.3.
func releasesOf(name []string, tag string) [][]string {
	var out [][]string
	for _, at := range version.FindAllStringIndex(tag, -1) {
		for end := strings.LastIndexByte(tag[at[0]:at[1]], '.'); end > 0; end = strings.LastIndexByte(tag[at[0]:at[0]+end], '.') {
			out = append(out, slices.Concat(name, wordsOf(tag[:at[0]+end]+tag[at[1]:])))
		}
	}
	return out
}

// reads tells whether a Dockerfile takes any image of a repository: then it is not
// what makes that repository's images, but what adds to them.
func (im *foundImage) reads(repo string) bool {
	return slices.ContainsFunc(im.recipe.refs, func(ref baseRef) bool {
		named, err := reference.ParseNormalizedNamed(ref.text)
		return err == nil && named.Name() == repo
	})
}

// versioned tells whether a tag names a release rather than a variant.
func versioned(tag []string) bool {
	return slices.ContainsFunc(tag, func(w string) bool { return strings.ContainsAny(w[:1], "0123456789") || w == "digest" })
}

var separators = regexp.MustCompile(`[^a-z0-9]+`)

func wordsOf(s string) []string {
	return slices.DeleteFunc(separators.Split(strings.ToLower(s), -1), func(w string) bool { return w == "" })
}

// foreign tells whether a reference is the short name of an image that everyone
// has: a folder of that name may be there to configure it.
func foreign(c claim) bool {
	name, ok := strings.CutPrefix(c.repo, "docker.io/library/")
	return ok && slices.Contains(official, name)
}

// official are the short names of Docker Hub that Dockerfiles name most.
var official = strings.Fields(`
	adminer almalinux alpine amazonlinux archlinux bash buildpack-deps busybox caddy cassandra centos clojure consul couchdb
	debian docker drupal eclipse-mosquitto eclipse-temurin elasticsearch elixir erlang fedora flink fluentd gcc ghost golang gradle groovy
	haproxy haskell httpd influxdb java jenkins jetty joomla julia kibana kong logstash mariadb maven memcached mongo mongo-express mysql
	nats neo4j nextcloud nginx node odoo openjdk oraclelinux perl photon php postgres python r-base rabbitmq redis registry rethinkdb
	rockylinux rocket.chat ruby rust solr sonarqube spark swift telegraf tomcat traefik ubuntu vault varnish wordpress zookeeper`)
