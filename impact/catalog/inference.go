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
}

// match is how well a Dockerfile's folders fit a claim.
type match int

const (
	noMatch  match = iota
	byRepo         // they are the end of the repository's name, and the tag says more
	byAll          // they are the end of name and tag
	wordsCap = 3   // folders above that are asked for a name
)

// infer gives the images their names and tags: by the references that other
// Dockerfiles make, then by their folders.
func (d *discovery) infer(root string) {
	taken := map[string]string{} // Dockerfile -> repository of its tags
	claims := d.claims()
	for _, pass := range []func(claim) bool{
		func(c claim) bool { return !versioned(c.tag) },
		func(c claim) bool { return versioned(c.tag) },
	} {
		for _, kind := range []match{byAll, byRepo} {
			for _, c := range claims {
				if pass(c) && !d.claimed(c) {
					d.assign(c, kind, taken)
				}
			}
		}
	}
	d.name(root)
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
			if tagged, ok := named.(reference.Tagged); ok && tagged.Tag() != "latest" {
				c.tag = wordsOf(tagged.Tag())
			} else {
				c.text = reference.FamiliarName(named)
			}
			c.words = wordsOf(path.Base(c.repo))
			if !slices.ContainsFunc(out, func(o claim) bool { return o.text == c.text }) {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b claim) int {
		return cmp.Or(cmp.Compare(len(b.words)+len(b.tag), len(a.words)+len(a.tag)), strings.Compare(a.text, b.text))
	})
	return out
}

func isDigested(n reference.Named) bool { _, ok := n.(reference.Digested); return ok }

// claimed tells whether an image has the claim's tag by now.
func (d *discovery) claimed(c claim) bool {
	return slices.ContainsFunc(d.images, func(im *foundImage) bool { return slices.Contains(im.tags, c.text) })
}

// assign gives a claim to the one image that fits it best.
func (d *discovery) assign(c claim, kind match, taken map[string]string) {
	var best []*foundImage
	longest := 0
	for _, im := range d.images {
		n, m := im.fits(c)
		repo, has := taken[im.dockerfile]
		switch {
		case m != kind || n < longest || im.reads(c.repo) || has && repo != c.repo:
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
	case len(best) > 1 || foreign(c) || kind == byRepo && versioned(c.tag) && longest == 1:
		for _, im := range best {
			im.doubt = append(im.doubt, c.text+" ("+c.where+")")
		}
		return
	}
	im := best[0]
	if kind == byRepo && len(im.tags) > 0 {
		im.doubt = append(im.doubt, c.text+" ("+c.where+")")
		return
	}
	taken[im.dockerfile] = c.repo
	im.tags = append(im.tags, c.text)
	if im.named == "" {
		im.named = c.text + " in " + c.where
	}
}

// fits compares the words of an image's folders with those of a claim, and gives
// how many there are.
func (im *foundImage) fits(c claim) (int, match) {
	all := slices.Concat(c.words, c.tag)
	best, kind := 0, noMatch
	label := wordsOf(im.variant)
	at := path.Dir(im.dockerfile)
	for range wordsCap {
		if len(label) > 0 {
			if ends(all, label) && (len(c.tag) == 0 || len(label) > len(c.tag)) {
				if kind < byAll || len(label) > best {
					best, kind = len(label), byAll
				}
			} else if ends(c.words, label) && kind < byAll && len(label) > best {
				best, kind = len(label), byRepo
			}
		}
		if at == "." || at == "/" {
			break
		}
		label = slices.Concat(wordsOf(path.Base(at)), label)
		at = path.Dir(at)
	}
	return best, kind
}

// reads tells whether a Dockerfile takes any image of a repository: then it is not
// what makes that repository's images, but what adds to them.
func (im *foundImage) reads(repo string) bool {
	return slices.ContainsFunc(im.recipe.refs, func(ref baseRef) bool {
		named, err := reference.ParseNormalizedNamed(ref.text)
		return err == nil && named.Name() == repo
	})
}

func ends(all, label []string) bool {
	return len(label) <= len(all) && slices.Equal(all[len(all)-len(label):], label)
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
