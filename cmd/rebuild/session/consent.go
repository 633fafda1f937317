package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rebuild/docker/record"
	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/safefile"
	"rebuild/impact/tree"
)

// Consent is what the user allowed the definitions of one repository. It lies in the user's
// configuration folder, where no repository can put it, and is bound to the repository's
// path, the image, and the very text of what was allowed.
type Consent struct {
	Repository string      `json:"repository"`
	Allowed    []Allowance `json:"allowed"`
}

// Allowance is one thing that is allowed: a privilege of an image's build (see
// catalog.Privileges), or a command that the daemon runs after it (on_success).
type Allowance struct {
	Image     string        `json:"image"` // "": of a privilege, the definitions; of a command, a build script that was recorded
	Privilege string        `json:"privilege,omitempty"`
	Command   string        `json:"command,omitempty"`
	Digest    impact.Digest `json:"digest"` // of the above: a file that was edited allows nothing
}

func newAllowance(image, privilege, command string) Allowance {
	return Allowance{image, privilege, command, impact.DigestOf("allowance", image, privilege, command)}
}

// What is what it allows, in words.
func (a Allowance) What() string {
	switch {
	case a.Privilege != "":
		return a.Privilege
	case a.Image == "":
		return "build script: " + a.Command
	}
	return "on_success: " + a.Command
}

// consentFile is where the user's consent to this repository's definitions lies.
func (s *Session) consentFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("consent: %w", err)
	}
	id := strings.TrimPrefix(string(impact.DigestOf("repository", s.Root)), "sha256:")
	return filepath.Join(dir, "rebuild", "consent", id[:16]+".json"), nil
}

// Consent reads what the user allowed this repository. Where nothing was, it is empty.
func (s *Session) Consent() (Consent, error) {
	c := Consent{Repository: s.Root}
	file, err := s.consentFile()
	if err != nil {
		return c, err
	}
	data, err := safefile.Read(file, safefile.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	var kept Consent
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return c, fmt.Errorf("consent %s: %w", file, err)
	}
	if kept.Repository != s.Root {
		return c, nil
	}
	for _, a := range kept.Allowed {
		if a == newAllowance(a.Image, a.Privilege, a.Command) {
			c.Allowed = append(c.Allowed, a)
		}
	}
	return c, nil
}

// Keep keeps a consent in place of the one before.
func (s *Session) Keep(c Consent) error {
	file, err := s.consentFile()
	if err != nil {
		return err
	}
	if len(c.Allowed) == 0 {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("consent: %w", err)
		}
		return nil
	}
	data, err := json.MarshalIndent(c, "", " ")
	if err == nil {
		err = record.ReplaceFile(file, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("consent: %w", err)
	}
	return nil
}

// Has tells whether something is allowed.
func (c Consent) Has(a Allowance) bool { return slices.Contains(c.Allowed, a) }

// With is the consent with one thing more.
func (c Consent) With(a Allowance) Consent {
	c.Allowed = append(slices.Clone(c.Allowed), a)
	return c
}

// WithCommand is the consent with a build script that the user typed (rebuild record), which
// may be run again by what the file notes of it.
func (c Consent) WithCommand(command string) Consent {
	if a := newAllowance("", "", command); !c.Has(a) {
		return c.With(a)
	}
	return c
}

// Without is the consent without what images were allowed, all of it where none is named,
// and what was taken away.
func (c Consent) Without(images []string) (kept Consent, taken []Allowance) {
	kept = Consent{Repository: c.Repository}
	for _, a := range c.Allowed {
		if len(images) == 0 || slices.Contains(images, a.Image) {
			taken = append(taken, a)
		} else {
			kept.Allowed = append(kept.Allowed, a)
		}
	}
	return kept, taken
}

// privileges are those that the user gave an image; "" is the definitions themselves.
func (c Consent) privileges(image string) []string {
	var list []string
	for _, a := range c.Allowed {
		if a.Image == image && a.Privilege != "" {
			list = append(list, a.Privilege)
		}
	}
	return list
}

// AllowsCommand tells whether this very command may be run after builds of an image.
func (c Consent) AllowsCommand(image, command string) bool {
	return c.Has(newAllowance(image, "", command))
}

// Wanted is what the definition of an image asks for, whether it is allowed or not.
type Wanted struct {
	Image     string // "": the definitions, to be read
	Asked     []Allowance
	Variables []string // of the environment, handed to the build as secrets: named, not asked for
}

// Wanted lists what the definitions ask for of the images that a query means. What they
// name outside of the repository is read as far as may tells; what it would define is
// not known then.
func (s *Session) Wanted(ctx context.Context, q Query, may func(Allowance) bool) ([]Wanted, error) {
	t, _, err := s.target(ctx, q, tree.Bytes)
	if err != nil {
		return nil, err
	}
	definitions, cat, err := s.wantedDefinitions(ctx, q, t, may)
	var outside *catalog.OutsideError
	switch {
	case errors.As(err, &outside):
		return []Wanted{definitions}, nil
	case err != nil:
		return nil, err
	}
	names, err := catalog.Select(cat, q.Images, q.All)
	if err != nil {
		return nil, err
	}
	var list []Wanted
	if len(definitions.Asked) > 0 {
		list = append(list, definitions)
	}
	for _, im := range cat.Images {
		if !slices.Contains(names, im.Name) {
			continue
		}
		privileges, err := catalog.Privileges(im, s.files(), nil)
		if err != nil {
			return nil, privilegesFault(im, err)
		}
		w := Wanted{Image: im.Name, Variables: catalog.SecretVariables(im)}
		for _, p := range privileges {
			w.Asked = append(w.Asked, newAllowance(im.Name, p, ""))
		}
		if im.OnSuccess != "" {
			w.Asked = append(w.Asked, newAllowance(im.Name, "", im.OnSuccess))
		}
		if len(w.Asked)+len(w.Variables) > 0 {
			list = append(list, w)
		}
	}
	return list, nil
}

// wantedDefinitions reads the catalog, and gives the files outside of the repository that
// are named for that. The first that may not be read is its *catalog.OutsideError.
func (s *Session) wantedDefinitions(ctx context.Context, q Query, t tree.Tree, may func(Allowance) bool) (w Wanted, cat impact.Catalog, err error) {
	var given []string
	for {
		cat, err = s.catalogWith(ctx, q, t, false, func() ([]string, error) { return given, nil })
		var outside *catalog.OutsideError
		if !errors.As(err, &outside) {
			return w, cat, err
		}
		a := newAllowance("", outside.Privilege(), "")
		w.Asked = append(w.Asked, a)
		if !may(a) {
			return w, cat, err
		}
		given = append(given, a.Privilege)
	}
}

// given are the privileges that an image has, or the definitions by the name "": what the
// query gives, and what the user noted.
func (s *Session) given(q Query, image string) ([]string, error) {
	c, err := s.Consent()
	if err != nil {
		return nil, err
	}
	given := slices.Concat(q.Allow, c.privileges(image))
	switch files, err := filesAreAsked(); {
	case err != nil:
		return nil, err
	case !files:
		given = append(given, "fs.read=*")
	}
	return given, nil
}

// Unallowed says that the definition of an image asks for what nobody allowed.
type Unallowed struct {
	Image, Origin string
	Privileges    []string
}

// Fault is why the image is not built, with the command that allows it.
func (u *Unallowed) Fault() *impact.Fault {
	return &impact.Fault{
		Path: u.Origin, Cause: fmt.Sprintf("image %s takes what nobody allowed: %s", u.Image, strings.Join(u.Privileges, ", ")),
		Hint: "rebuild allow " + impact.ShellWord(u.Image),
	}
}

// unallowed tells what a build of an image takes that neither the query nor the user
// before allowed; nil when that is nothing.
func (s *Session) unallowed(im impact.Image, q Query) (*Unallowed, error) {
	privileges, err := catalog.Privileges(im, s.files(), q.Allow)
	if err == nil && len(privileges) > 0 {
		c, consentErr := s.Consent()
		if consentErr != nil {
			return nil, consentErr
		}
		privileges, err = catalog.Privileges(im, s.files(), slices.Concat(q.Allow, c.privileges(im.Name)))
	}
	if err != nil {
		return nil, privilegesFault(im, err)
	}
	switch files, err := filesAreAsked(); {
	case err != nil:
		return nil, err
	case !files:
		privileges = slices.DeleteFunc(privileges, func(p string) bool { return p == "ssh" || strings.HasPrefix(p, "fs.") })
	}
	if len(privileges) == 0 {
		return nil, nil
	}
	return &Unallowed{Image: im.Name, Origin: im.Origin, Privileges: privileges}, nil
}

// filesAreAsked tells whether files and keys from outside need consent: as in bake, the user's
// environment may say that none do.
func filesAreAsked() (bool, error) {
	const variable = "BUILDX_BAKE_ENTITLEMENTS_FS"
	value, set := os.LookupEnv(variable)
	if !set {
		return true, nil
	}
	asked, err := strconv.ParseBool(value)
	if err != nil {
		return false, &impact.Fault{Cause: fmt.Sprintf("%s: want true or false, not %q", variable, value), Hint: "unset " + variable}
	}
	return asked, nil
}

// Unallowed lists what the builds of a plan take and nobody allowed, in the order of the
// plan.
func (s *Session) Unallowed(p *Planned) ([]*Unallowed, error) {
	var list []*Unallowed
	for _, name := range p.Plan.Rebuilds() {
		im, ok := p.Target.Catalog.Image(name)
		if !ok {
			continue
		}
		u, err := s.unallowed(im, p.query)
		if err != nil {
			return nil, err
		}
		if u != nil {
			list = append(list, u)
		}
	}
	return list, nil
}

// Allow gives the builds of a plan privileges, for this run.
func (p *Planned) Allow(list []*Unallowed) {
	p.query.Allow = slices.Clone(p.query.Allow)
	for _, u := range list {
		p.query.Allow = append(p.query.Allow, u.Privileges...)
	}
}

func (s *Session) files() catalog.Place {
	return catalog.Place{Root: s.Root, Dir: filepath.Join(s.Root, filepath.FromSlash(s.Dir))}
}

func privilegesFault(im impact.Image, err error) error {
	return &impact.Fault{Path: im.Origin, Cause: fmt.Sprintf("image %s: %v", im.Name, err)}
}
