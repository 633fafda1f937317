package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flags are what the command line says. Each verb declares those that it takes.
type flags struct {
	dir      string
	files    []string
	since    string
	at       string
	all      bool
	parallel int
	dryRun   bool

	noCache, pull, push, failFast bool
	noWait, strict                bool
	phases, skipPhases            []string
	skipOptional                  bool
	progress                      string
	format                        string
	buildArgs, set, vars          []string

	host, dockerContext, builder string

	// What a push asks for, and no flag says.
	exact bool     // since is the baseline itself, zeros for none, not what a merge base is looked for with
	only  []string // exactly these images
}

// where declares what says which definition and which engine.
func (f *flags) where(p *pflag.FlagSet) {
	p.StringVarP(&f.dir, "directory", "C", "", "run as if started in `DIR`")
	p.StringArrayVarP(&f.files, "file", "f", nil, "read the definition `FILE` (may be repeated)")
	p.StringVarP(&f.host, "host", "H", "", "the engine's socket, as docker's `HOST`")
	p.StringVar(&f.dockerContext, "context", "", "docker's `CONTEXT` to use")
	p.StringVar(&f.builder, "builder", "", "the `ADDRESS` of a buildkitd to use instead of the engine")
}

// which declares which images there are, and which of them are meant, at which tree.
func (f *flags) which(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.at, "at", "", "look at the tree of commit `REV` instead of the working tree")
	f.images(cmd)
}

// images declares which images there are, and which of them are meant.
func (f *flags) images(cmd *cobra.Command) {
	p := cmd.Flags()
	p.BoolVar(&f.all, "all", false, "all images, not the default group")
	p.StringArrayVar(&f.buildArgs, "build-arg", nil, "build argument `NAME[=VALUE]` for every image")
	p.StringArrayVar(&f.set, "set", nil, "override of a target, as in bake (`TARGET.KEY=VALUE`)")
	p.StringArrayVar(&f.vars, "var", nil, "variable of a bake file, as in bake (`NAME=VALUE`)")
}

// what declares what is planned.
func (f *flags) what(cmd *cobra.Command) {
	f.which(cmd)
	f.some(cmd)
	p := cmd.Flags()
	p.StringVar(&f.since, "since", "", "what changed since the merge base of `REV` and HEAD")
	p.BoolVar(&f.noCache, "no-cache", false, "rebuild the images without BuildKit's cache")
	p.BoolVar(&f.pull, "pull", false, "ask registries for newer base images")
}

// some declares which phases are planned, and how many images are built at once.
func (f *flags) some(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringArrayVar(&f.phases, "phase", nil, "only images of phase `NAME` (may be repeated)")
	p.StringArrayVar(&f.skipPhases, "skip-phase", nil, "no images of phase `NAME` (may be repeated)")
	p.BoolVar(&f.skipOptional, "skip-optional", false, "no images of optional phases")
	p.IntVarP(&f.parallel, "parallel", "j", defaultSlots(), "build at most `N` images at once")
}

// defaultSlots leaves BuildKit, which runs the steps of each build in parallel by
// itself, something to do on every processor without starting all at once.
func defaultSlots() int { return max(2, min(runtime.NumCPU(), 8)) }

// args turns --build-arg into a map; a name without a value takes it from the
// environment, as in docker build, and is left out when that has none.
func (f *flags) args() (map[string]string, error) { return pairs("build-arg", f.buildArgs) }

// variables turns --var into a map, in the same way, as bake does.
func (f *flags) variables() (map[string]string, error) { return pairs("var", f.vars) }

func pairs(flag string, given []string) (map[string]string, error) {
	m := map[string]string{}
	for _, a := range given {
		name, value, ok := strings.Cut(a, "=")
		if name == "" {
			return nil, fmt.Errorf("--%s %q: the name is missing", flag, a)
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

// oneOf checks a flag's value.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return fmt.Errorf("--%s %q: want one of %s", flag, value, strings.Join(allowed, ", "))
}
