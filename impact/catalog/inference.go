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
	text    string // as first written
	repo    string // "quay.io/team/app"
	space   string // registry and organisation
	words   []string
	tag     []string      // words of the tag, without "latest"
	release bool          // the tag names a release rather than a variant
	foreign bool          // everyone has an image of that name
	where   string        // path:line of the first that makes it
	readers []*foundImage // those that make it
	path    []string      // words of the repository's whole path, the name's at its end

	spans                      map[string][]stretch
	nameMask, tagMask, numbers uint64

	best []fitting // the images that fit it best
}

// infer gives the images their names and tags: by the references that other
// Dockerfiles make, then by their folders.
func (d *discovery) infer(root string) {
	d.segments()
	d.link(d.claims(), root)
	d.name(root)
	d.unmet()
}

// unmet notes the references that would mean an image if their arguments had values: what they
// say without them is held against the paths.
func (d *discovery) unmet() {
	byText := map[string]*claim{}
	for _, reader := range d.images {
		for _, ref := range reader.recipe.open {
			name, tag, _ := strings.Cut(path.Base(argument.ReplaceAllString(ref.text, "\x00")), ":")
			if strings.ContainsAny(name, "\x00${}@") {
				continue
			}
			tag = strings.ReplaceAll(tag, "\x00", "-")
			c := byText[name+":"+tag]
			if c == nil {
				c = &claim{words: wordsOf(name), path: wordsOf(name), tag: wordsOf(tag)}
				c.index()
				for _, im := range d.images {
					switch f := im.fits(c); {
					case f.match < byPart || !f.sure && f.match != byRepo || f.lead != "":
					case len(c.best) == 0 || f.betterThan(c.best[0]):
						c.best = []fitting{f}
					case !c.best[0].betterThan(f):
						c.best = append(c.best, f)
					}
				}
				byText[name+":"+tag] = c
			}
			var may []*foundImage
			for _, f := range c.best {
				if f.image != reader {
					may = append(may, f.image)
				}
			}
			if len(may) > 0 {
				may[0].unmet = append(may[0].unmet, fmt.Sprintf("%s (%s:%d) may mean the image of %s, but has no value: --build-arg %s=...", ref.text, reader.dockerfile, ref.line, these(may), strings.Join(ref.lacks, "=... --build-arg ")))
			}
		}
	}
}

var argument = regexp.MustCompile(`\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*`)

// claims lists the references of all Dockerfiles, the longest names first. One with
// a digest is pinned: no build of this tree is meant.
func (d *discovery) claims() []*claim {
	var out []*claim
	byText := map[string]*claim{}
	for _, im := range d.images {
		for _, ref := range im.recipe.refs {
			c := newClaim(ref.text)
			if c == nil {
				continue
			}
			if known := byText[c.text]; known != nil {
				c = known
			} else {
				c.where = fmt.Sprintf("%s:%d", im.dockerfile, ref.line)
				byText[c.text] = c
				out = append(out, c)
			}
			if !slices.Contains(c.readers, im) {
				c.readers = append(c.readers, im)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(len(b.words)+len(b.tag), len(a.words)+len(a.tag)), strings.Compare(a.text, b.text))
	})
	return out
}

// newClaim takes a reference apart; nil for what is none, or pinned.
func newClaim(text string) *claim {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil || !reference.IsNameOnly(named) && isDigested(named) {
		return nil
	}
	c := &claim{text: reference.FamiliarString(named), repo: named.Name()}
	c.space = reference.Domain(named)
	if org, _, ok := strings.Cut(reference.Path(named), "/"); ok {
		c.space += "/" + org
	}
	c.words, c.path = wordsOf(path.Base(c.repo)), wordsOf(reference.Path(named))
	if tagged, ok := named.(reference.Tagged); ok && tagged.Tag() != "latest" {
		c.tag, c.release = wordsOf(tagged.Tag()), isRelease(tagged.Tag())
	} else {
		c.text = reference.FamiliarName(named)
	}
	c.foreign = isForeign(c.repo)
	c.index()
	return c
}

func isDigested(n reference.Named) bool { _, ok := n.(reference.Digested); return ok }

// said is a claim with where it is made.
func (c *claim) said() string { return c.text + " (" + c.where + ")" }

var releaseWord = regexp.MustCompile(`(^|[^A-Za-z0-9])[0-9]|^digest$`)

// isRelease tells whether a tag names a release rather than a variant.
func isRelease(tag string) bool { return releaseWord.MatchString(tag) }

// isForeign tells whether a repository is one that everyone has: a folder of that name may
// be there to configure it.
func isForeign(repo string) bool {
	rest, ok := strings.CutPrefix(repo, "docker.io/")
	if !ok {
		return false
	}
	space, name, _ := strings.Cut(rest, "/")
	return slices.Contains(official, name) && (space == "library" || slices.Contains(officialPlatforms, space))
}

// officialPlatforms are where Docker Hub has the official images of one platform each.
var officialPlatforms = []string{"amd64", "arm32v5", "arm32v6", "arm32v7", "arm64v8", "i386", "mips64le", "ppc64le", "riscv64", "s390x", "winamd64"}

// official are the short names of Docker Hub that Dockerfiles name most.
var official = strings.Fields(`
	adminer almalinux alpine amazonlinux archlinux bash buildpack-deps busybox caddy cassandra centos clojure consul couchdb
	debian docker drupal eclipse-mosquitto eclipse-temurin elasticsearch elixir erlang fedora flink fluentd gcc ghost golang gradle groovy
	haproxy haskell httpd influxdb java jenkins jetty joomla julia kibana kong logstash mariadb maven memcached mongo mongo-express mysql
	nats neo4j nextcloud nginx node odoo openjdk oraclelinux perl photon php postgres python r-base rabbitmq redis registry rethinkdb
	rockylinux rocket.chat ruby rust solr sonarqube spark swift telegraf tomcat traefik ubuntu vault varnish wordpress zookeeper`)
