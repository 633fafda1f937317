package commandline

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/util/osutil"
	"github.com/docker/cli/templates"
	"github.com/spf13/pflag"
)

// FuzzArguments holds the parser against pflag, by which docker reads its arguments.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		"-t a .", "-ta .", "-t=a .", "-t= .", "--tag=a -f - .", "--tag a -- -t .", "-qt a", "-q=false .", "--no-cache=maybe .", "-", "--", "---x", "--=x",
		"-t", "--tag", "--nosuch x", "-z", "-qz", ". -t a", "--build-arg A=b=c --build-arg D .", "--check .", "-D -h", "-c 1 -m 2g .", "--quiet=1 --quiet=F .",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, line string, first bool) {
		args := strings.Split(line, " ")
		for _, set := range []*Set{BuildFlags, DockerGlobals, ComposeBuildFlags} {
			got, rest, err := set.Parse(args, first)
			want, wantRest, wantErr := byPflag(set, args, first)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%q: error %v, pflag %v", args, err, wantErr)
			}
			if err == nil && (!slices.Equal(got, want) || !slices.Equal(rest, wantRest)) {
				t.Fatalf("%q: %v %q, pflag %v %q", args, got, rest, want, wantRest)
			}
		}
	})
}

// heard is a flag's value that notes what it is set to, in the order of all.
type heard struct {
	name     string
	isSwitch bool
	into     *[]Flag
}

func (h heard) String() string { return "" }

func (h heard) Type() string { return "string" }

func (h heard) Set(v string) error {
	all, err := (&Set{}).set(*h.into, h.name, v, h.isSwitch)
	*h.into = all
	return err
}

func byPflag(set *Set, args []string, first bool) (flags []Flag, rest []string, err error) {
	p := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	p.SetOutput(io.Discard)
	p.SetInterspersed(!first)
	for name, value := range set.values {
		letter := ""
		for l, n := range set.letters {
			if n == name {
				letter = string(l)
			}
		}
		flag := p.VarPF(heard{name, !value, &flags}, name, letter, "")
		if !value {
			flag.NoOptDefVal = "true"
		}
	}
	err = p.Parse(args)
	return flags, p.Args(), err
}

// TestFlags holds the tables against the sources of docker and buildx: each flag of theirs
// is known, and whether it takes a value.
func TestFlags(t *testing.T) {
	for _, c := range []struct {
		of   any // a function of the module
		file string
		set  *Set
	}{
		{osutil.GetWd, "../../commands/build.go", BuildFlags},
		{osutil.GetWd, "../../commands/bake.go", BakeFlags},
		{osutil.GetWd, "../../commands/root.go", BuildxGlobals},
		{templates.Parse, "../cli/command/image/build.go", BuildFlags},
		{templates.Parse, "../cli/flags/options.go", DockerGlobals},
	} {
		own, _ := runtime.FuncForPC(reflect.ValueOf(c.of).Pointer()).FileLine(0)
		if _, err := os.Stat(own); err != nil {
			t.Skipf("the sources are not where the test was compiled from (-trimpath): %v", err)
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(own), c.file))
		if err != nil {
			t.Fatal(err)
		}
		found := definedFlag.FindAllStringSubmatch(string(text), -1)
		if len(found) < 2 {
			t.Errorf("%s: only %d flags found: is the search right?", c.file, len(found))
		}
		for _, m := range found {
			kind, name, letter := m[1], m[2], m[3]
			value, known := c.set.values[name]
			if !strings.Contains(kind, "Var") && !slices.Contains([]string{"Bool", "String", "Duration"}, kind) {
				continue // MarkHidden
			}
			switch isSwitch := strings.HasPrefix(kind, "Bool") || name == "check"; {
			case name == "timeout" && strings.Contains(m[0], "Duration"): // of other commands
			case !known:
				t.Errorf("%s: --%s is not known", c.file, name)
			case value == isSwitch:
				t.Errorf("%s: --%s: takes a value: %v", c.file, name, value)
			case letter != "" && c.set.letters[letter[0]] != name:
				t.Errorf("%s: -%s is not --%s", c.file, letter, name)
			}
		}
	}
}

// definedFlag is where a flag is defined: flags.StringVarP(&v, "file", "f", ...) or
// flags.Bool("pull", ...).
var definedFlag = regexp.MustCompile(`(?m)^\s*(?:[\w.]+ = )?flags\.(\w+)\((?:[^",]*(?:\{[^}]*\}|\([^)]*\))?, )?"([a-z][a-z0-9-]*)"(?:, "(\w)")?, [^)]`)
