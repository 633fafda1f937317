package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/buildx/util/buildflags"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
)

// flags are what the command line says. Each verb declares those that it takes.
type flags struct {
	place     session.Place
	said      session.Query // but for what is made of the lists below
	buildArgs []string
	vars      []string
	platforms []string
	attests   attests

	dryRun, noWait, strict bool
	progress               string
	format                 string

	secrets *secrets // of the session that is opened
}

// query is what the flags ask for, of the images named.
func (f *flags) query(images []string) (session.Query, error) {
	q := f.said
	q.Images = images
	q.Set = slices.Concat(f.ofAll(), q.Set) // of which the last counts
	var err error
	if q.BuildArgs, err = pairs("build-arg", f.buildArgs); err == nil {
		q.Vars, err = pairs("var", f.vars)
	}
	return q, err
}

// ofAll are overrides of every image that have flags of their own, as in bake.
func (f *flags) ofAll() []string {
	var set []string
	for _, p := range f.platforms {
		set = append(set, "*.platform="+p)
	}
	for _, kind := range attestKinds {
		if v := *f.attests.of(kind); v != "" {
			set = append(set, "*.attest="+buildflags.CanonicalizeAttest(kind, v))
		}
	}
	return set
}

// attests is what is to be attested of every image: true, false, or what buildx takes.
type attests struct{ sbom, provenance string }

var attestKinds = []string{"sbom", "provenance"}

func (a *attests) of(kind string) *string {
	if kind == "sbom" {
		return &a.sbom
	}
	return &a.provenance
}

// open opens the session that the flags place, and gives what they ask of it.
func (f *flags) open(ctx context.Context, p *terminal.Printer, use session.Use, images []string) (*session.Session, session.Query, error) {
	q, err := f.query(images)
	if err != nil {
		return nil, q, err
	}
	if q.Push && f.place.Load == docker.LoadIfThere { // as in buildx
		f.place.Load = docker.NoLoad
	}
	f.secrets = secretsOf(p)
	o := f.secrets.options(p)
	o.Waits = func() { p.Message("rebuild: waits for the engine ...") }
	if terminal.IsTerminal(p.Err) { // who waits looks there
		o.Large = func(path string, size int64) {
			p.Message("rebuild: reads %s (%.1f GiB) ...", name(path), float64(size)/(1<<30))
		}
	}
	s, err := session.Open(ctx, f.place, use, o)
	return s, q, err
}

// whileLooking is how long a verb that only looks waits for an engine that does not begin to
// answer. What it asks is an addition to what it says; a busy engine was seen to take 7 s.
const whileLooking = 10 * time.Second

// looks declares where, for a verb that only looks.
func (f *flags) looks(p *pflag.FlagSet) {
	f.where(p)
	timeout := p.Lookup("engine-timeout")
	_ = timeout.Value.Set(whileLooking.String()) // a duration is one
	timeout.DefValue = timeout.Value.String()
}

// tellGivenUp says what is not known as the engine did not answer.
func tellGivenUp(p *terminal.Printer, s *session.Session) {
	if err := s.GaveUp(); err != nil {
		p.Note("%v; what external base images set is left out", err)
	}
}

// where declares what says which definition and which engine.
func (f *flags) where(p *pflag.FlagSet) {
	p.StringVarP(&f.place.Dir, "directory", "C", "", "run as if started in `DIR`")
	p.StringArrayVarP(&f.said.Files, "file", "f", nil, "read the definition `FILE` (may be repeated)")
	p.StringVarP(&f.place.Host, "host", "H", "", "the engine's socket, as docker's `HOST`")
	p.StringVar(&f.place.Context, "context", "", "docker's `CONTEXT` to use")
	p.DurationVar(&f.place.Timeout, "engine-timeout", docker.AnswersWithin, "give up on an engine that does not begin to answer for `TIME`")
	p.StringArrayVar(&f.place.Builders, "builder", nil, "the `BUILDER` to use instead of the engine: a name, or an address (may be repeated: images are spread over all)")
	p.Var(&loading{&f.place.Load}, "load", "load what a builder makes into the engine (default where there is one, unless it is pushed)")
	p.Lookup("load").NoOptDefVal = "true"
}

// loading is a flag that says whether to load, or leaves it open.
type loading struct{ to *docker.Loading }

func (l *loading) String() string { return "" }
func (l *loading) Type() string   { return "bool" }

func (l *loading) Set(text string) error {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("neither true nor false")
	}
	*l.to = docker.NoLoad
	if on {
		*l.to = docker.Load
	}
	return nil
}

// which declares which images there are, and which of them are meant, at which tree.
func (f *flags) which(cmd *cobra.Command) {
	cmd.Flags().Var(&word{&f.said.At}, "at", "look at the tree of commit `REV` instead of the working tree")
	f.images(cmd)
}

// images declares which images there are, and which of them are meant.
func (f *flags) images(cmd *cobra.Command) {
	p := cmd.Flags()
	p.BoolVar(&f.said.All, "all", false, "all images, not the default group")
	p.StringArrayVar(&f.buildArgs, "build-arg", nil, "build argument `NAME[=VALUE]` for every image")
	p.StringArrayVar(&f.said.Set, "set", nil, "override of a target, as in bake (`TARGET.KEY=VALUE`)")
	p.StringSliceVar(&f.platforms, "platform", nil, "build every image for `PLATFORM` (may be repeated)")
	for _, kind := range attestKinds {
		p.StringVar(f.attests.of(kind), kind, "", "keep "+kind+" with every image, as in bake (`VALUE`: true, false, mode=max)")
		p.Lookup(kind).NoOptDefVal = "true"
	}
	p.StringArrayVar(&f.vars, "var", nil, "variable of a bake file, as in bake (`NAME=VALUE`)")
	p.BoolVar(&f.said.Values, "show-values", false, "show values of arguments and variables, but for secrets")
}

// what declares what is planned.
func (f *flags) what(cmd *cobra.Command) {
	f.which(cmd)
	f.some(cmd)
	p := cmd.Flags()
	f.privileges(p)
	p.Var(&word{&f.said.Since}, "since", "what changed since the merge base of `REV` and HEAD")
	p.BoolVar(&f.said.NoCache, "no-cache", false, "rebuild the images without BuildKit's cache")
	p.BoolVar(&f.said.Pull, "pull", false, "ask registries for newer base images")
}

// privileges declares what builds are given beyond their repository, and which definitions
// outside are read.
func (f *flags) privileges(p *pflag.FlagSet) {
	p.StringArrayVar(&f.said.Allow, "allow", nil, "allow a `PRIVILEGE`, as in bake (fs.read=PATH, network.host, ssh)")
}

// some declares which phases are planned, and how many images are built at once.
func (f *flags) some(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringArrayVar(&f.said.Phases, "phase", nil, "only images of phase `NAME` (may be repeated)")
	p.StringArrayVar(&f.said.SkipPhases, "skip-phase", nil, "no images of phase `NAME` (may be repeated)")
	p.BoolVar(&f.said.SkipOptional, "skip-optional", false, "no images of optional phases")
	f.said.Slots = defaultSlots()
	p.VarP(&positive{&f.said.Slots}, "parallel", "j", "build at most `N` images at once")
}

// defaultSlots leaves BuildKit, which runs the steps of each build in parallel by
// itself, something to do on every processor without starting all at once.
func defaultSlots() int { return max(2, min(runtime.NumCPU(), 8)) }

// pairs turns NAME=VALUE into a map; a name without a value takes it from the
// environment, as in docker build and in bake, and is left out when that has none.
func pairs(flag string, given []string) (map[string]string, error) {
	m := map[string]string{}
	for _, a := range given {
		name, value, ok := strings.Cut(a, "=")
		if name == "" {
			return nil, fmt.Errorf("--%s: the name before the = is missing", flag)
		}
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				continue
			}
		}
		m[name] = value
	}
	return m, nil
}

// word is a flag's text that is not empty: an unset variable of a script is no value.
type word struct{ text *string }

func (w *word) String() string { return *w.text }

func (w *word) Type() string { return "string" }

func (w *word) Set(text string) error {
	if *w.text = text; text == "" {
		return errors.New("it is empty")
	}
	return nil
}

// positive is a flag's number, of at least one.
type positive struct{ n *int }

func (p *positive) String() string { return strconv.Itoa(*p.n) }

func (p *positive) Type() string { return "int" }

func (p *positive) Set(text string) error {
	n, err := strconv.Atoi(text)
	if *p.n = n; err != nil || n < 1 {
		return errors.New("want a number of at least 1")
	}
	return nil
}

// oneOf checks a flag's value.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return fmt.Errorf("--%s %q: want one of %s", flag, value, strings.Join(allowed, ", "))
}
