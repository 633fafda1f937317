package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"rebuild/impact"
)

// Draft is a rebuild.yaml to be, for the Dockerfiles of a tree without a
// definition.
type Draft struct{ found *discovery }

// Question is what the tree leaves open about an image: its build context, or whether a
// reference means it.
type Question struct {
	Text    string   // what is asked, and why
	Options []string // the answers that there are, the likeliest first

	image *foundImage
	link  *question
}

// NewDraft finds the Dockerfiles of a tree. It is an error if the tree has a
// definition, or none.
func NewDraft(ctx context.Context, files Files, opt Options) (*Draft, error) {
	s, err := newSearch(files, opt)
	if err != nil {
		return nil, err
	}
	f, _, err := s.first(ctx)
	switch {
	case err != nil:
		return nil, err
	case f.found == nil:
		return nil, &impact.Fault{Path: f.path(), Cause: "it defines the images already", Hint: "rebuild list shows them"}
	}
	return &Draft{f.found}, nil
}

// fromOutside answers that a reference means no image of the tree.
const fromOutside = "none: it comes from outside"

// Questions lists what is open.
func (d *Draft) Questions() []Question {
	var out []Question
	for _, im := range d.found.images {
		if len(im.open) > 0 && d.found.wrote(im) {
			out = append(out, Question{
				Text:    fmt.Sprintf("%s: which folder is the build context? (%s)", im.dockerfile, strings.TrimPrefix(im.why, "ambiguous: ")),
				Options: slices.Clone(im.open), image: im,
			})
		}
	}
	for _, q := range d.found.questions {
		if q.apart() {
			continue
		}
		asked := Question{Text: "the image of which Dockerfile is " + q.claim.said() + "?", link: q}
		for _, im := range q.may {
			asked.Options = append(asked.Options, im.dockerfile)
		}
		asked.Options = append(asked.Options, fromOutside)
		out = append(out, asked)
	}
	return out
}

// Answer settles a question by one of its options.
func (d *Draft) Answer(q Question, option string) {
	if q.image != nil {
		q.image.context, q.image.why, q.image.open, q.image.disputed = option, "as answered", nil, ""
		return
	}
	claim := q.link.claim
	for _, im := range q.link.may {
		im.doubt = slices.DeleteFunc(im.doubt, func(s string) bool { return s == claim.said() })
		if im.dockerfile == option {
			im.tags = append(im.tags, claim.text)
		}
	}
	for _, reader := range claim.readers {
		reader.maybe = slices.DeleteFunc(reader.maybe, func(s string) bool { return s == claim.text })
	}
	d.found.questions = slices.DeleteFunc(d.found.questions, func(o *question) bool { return o.claim == claim })
}

// Images counts the images.
func (d *Draft) Images() int {
	n := 0
	for _, im := range d.found.images {
		if d.found.wrote(im) {
			n++
		}
	}
	return n
}

// wrote tells whether an image is written down: it can be, and does not stand apart, or has
// what others are built on.
func (d *discovery) wrote(im *foundImage) bool {
	return im.writable() && (im.apart == "" || len(im.links) > 0)
}

// Warnings says what was left out, and what is open.
func (d *Draft) Warnings() []string {
	return slices.Concat(d.found.leftOut(), d.found.ambiguities(""), d.unwritable())
}

// unwritable says which images a file in YAML cannot hold.
func (d *Draft) unwritable() []string {
	var out []string
	for _, im := range d.found.images {
		if !im.writable() {
			out = append(out, im.dockerfile+" is left out: its path is no UTF-8, which a rebuild.yaml cannot hold")
		}
	}
	return out
}

func (im *foundImage) writable() bool { return utf8.ValidString(im.dockerfile + im.context) }

// Text is the rebuild.yaml. It loads to the catalog that the tree has without it.
func (d *Draft) Text() []byte {
	var b bytes.Buffer
	b.WriteString("# The images of this repository, made up from its Dockerfiles. Check what is\n" +
		"# marked with \"?\", and correct names and tags: rebuild list shows what comes of it.\n")
	for _, w := range slices.Concat(d.found.leftOut(), d.unwritable()) {
		fmt.Fprintf(&b, "# %s\n", oneLine(w))
	}
	for _, im := range d.found.images {
		if im.writable() && !d.found.wrote(im) {
			fmt.Fprintf(&b, "# %s\n", oneLine(im.dockerfile+" is left out: it lies in "+im.apart))
		}
	}
	b.WriteString("\nimages:\n")
	for _, im := range d.found.images {
		if d.found.wrote(im) {
			im.write(&b)
		}
	}
	b.WriteString(`
# Which images belong together, in the order in which they are built. Without it
# the phases are the levels of the image graph.
#
# phases:
#   - {name: Base images, images: ["*base*"], critical: true}
#   - {name: All others, images: ["*"]}
`)
	return b.Bytes()
}

func (im *foundImage) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  # %s\n", oneLine(im.origin()))
	if im.disputed != "" {
		fmt.Fprintf(b, "  # ? how is it built? %s\n", oneLine(im.disputed))
	} else if len(im.open) > 0 {
		fmt.Fprintf(b, "  # ? its context may be %s\n", oneLine(strings.Join(im.open, " or ")))
	}
	for _, ref := range im.doubt {
		fmt.Fprintf(b, "  # ? is it %s? Then add that to its tags\n", oneLine(ref))
	}
	fmt.Fprintf(b, "  %s:\n", scalar(im.name))
	if im.context != "." {
		fmt.Fprintf(b, "    context: %s\n", scalar(im.context))
	}
	if name := pathFrom(im.context, im.dockerfile); name != "Dockerfile" {
		fmt.Fprintf(b, "    dockerfile: %s\n", scalar(name))
	} else if im.context == "." {
		b.WriteString("    dockerfile: Dockerfile\n")
	}
	if im.target != "" {
		fmt.Fprintf(b, "    target: %s\n", scalar(im.target))
	}
	if len(im.given) > 0 {
		b.WriteString("    args:\n")
		for _, name := range sortedKeys(im.given) {
			fmt.Fprintf(b, "      %s: %s\n", scalar(name), scalar(im.given[name]))
		}
	}
	if len(im.tags) > 0 {
		quoted := make([]string, len(im.tags))
		for i, t := range im.tags {
			quoted[i] = scalar(t)
		}
		fmt.Fprintf(b, "    tags: [%s]\n", strings.Join(quoted, ", "))
	}
}

var plain = regexp.MustCompile(`^[A-Za-z_./][A-Za-z0-9_./-]*$`)

// reserved are words that YAML reads as something else than a string.
var reserved = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", ".nan", ".inf"}

// scalar writes a string as YAML.
func scalar(s string) string {
	if plain.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) && path.Clean(s) == s {
		return s
	}
	quoted, err := json.Marshal(s) // a JSON string is a YAML one
	if err != nil {                // strings always encode
		return fmt.Sprintf("%q", s)
	}
	return string(quoted)
}

// oneLine writes a text for a comment. What cannot be printed is escaped.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }; strings.ContainsFunc(s, odd) {
		s = strconv.Quote(s)
	}
	return s
}
