package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/recording"
	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
)

// recordFlags are what the command line says of a recording.
type recordFlags struct {
	flags
	output         string
	force, through bool
	check          bool
	fail           []string
}

func recordCommand(p *terminal.Printer) *cobra.Command {
	f := &recordFlags{}
	cmd := &cobra.Command{
		Use:   "record [flags] -- COMMAND [ARG...]",
		Short: "learn the images from the repository's own build script",
		Long: `Run the command that builds the images, with a docker that builds nothing and takes
down what it is asked for, and write a rebuild.yaml of that. Shell, make, Python or
anything else: whatever calls docker by its name.`,
		Example: `  rebuild record -- ./build-all.sh
  rebuild record --fail speech/base:cpu -- ./build-all.sh   what does it do when that fails?
  rebuild record --check                                    does the file still say what the script does?`,
		Args: cobra.ArbitraryArgs,
	}
	set := cmd.Flags()
	set.SetInterspersed(false)
	set.StringVarP(&f.place.Dir, "directory", "C", "", "run as if started in `DIR`")
	set.StringVarP(&f.output, "output", "o", "", "write `FILE` instead of rebuild.yaml; - is stdout")
	set.BoolVar(&f.force, "force", false, "replace the file if it is there")
	set.BoolVar(&f.through, "through", false, "have docker build as well")
	set.StringArrayVar(&f.fail, "fail", nil, "run it once more with `IMAGE` failing, to see what it does (may be repeated)")
	set.BoolVar(&f.check, "check", false, "run the command that the file notes, and say what it does otherwise")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return runRecord(cmd, p, f, args) }
	return cmd
}

func runRecord(cmd *cobra.Command, p *terminal.Printer, f *recordFlags, args []string) error {
	ctx := cmd.Context()
	s, _, err := f.open(ctx, p, session.NoEngine, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.NeedWorktree(); err != nil {
		return err
	}
	script := recording.Script{
		Root: s.Root, Dir: filepath.Join(s.Root, filepath.FromSlash(s.Dir)), Command: args, Through: f.through,
		Stdin: cmd.InOrStdin(), Stdout: p.Out, Stderr: p.Err,
	}
	file := filepath.Join(s.Root, definitionName)
	switch {
	case f.output == "-":
		script.Stdout = p.Err // the answer is the file
	case f.output != "":
		if file = f.output; !filepath.IsAbs(file) {
			file = filepath.Join(script.Dir, file)
		}
	}
	allowed, err := s.Consent()
	if err != nil {
		return err
	}
	if f.check {
		if len(args) > 0 {
			if err := s.Keep(allowed.WithCommand(words(args))); err != nil {
				return err
			}
		}
		return checkRecord(ctx, p, allowed, script, file)
	}
	if len(args) == 0 {
		return hinted{errors.New("record: which command builds the images?"), "rebuild record -- ./build-all.sh"}
	}
	if there, ok := inTheWay(file, f.output); ok && !f.force {
		return hinted{fmt.Errorf("%s: it is there already", shown(there)), "rebuild record -o FILE writes another, --force replaces it, --check says in what the script differs"}
	}
	run, err := do(ctx, p, script)
	if err != nil {
		return err
	}
	if run.Interrupted || run.Exit != 0 {
		return cutShort(ctx, p, script, run, file, f.output == "-")
	}
	critical, err := whenFailing(ctx, p, script, run, f.fail)
	if err != nil {
		return err
	}
	def, err := script.Define(ctx, run, critical, file)
	if err != nil {
		return err
	}
	p.WarnAll(def.Warnings)
	if f.output == "-" {
		_, err := p.Out.Write(def.Text)
		return err
	}
	if err := os.WriteFile(file, def.Text, 0o644); err != nil {
		return err
	}
	_ = os.Remove(file + partial) // of a recording that did not come to its end: it is no news any more
	if err := s.Keep(allowed.WithCommand(words(args))); err != nil {
		return err
	}
	p.Message("rebuild: %s describes %s, as %s builds them", shown(file), count(def.Images, "image", "images"), shownWords(args))
	p.Hint("rebuild list")
	return nil
}

// partial ends the name of what is kept of a script that did not come to its end.
const partial = ".partial"

// inTheWay gives the file that is there already: the one to be written, or one that would
// be read in its place.
func inTheWay(file, output string) (string, bool) {
	names := []string{file}
	switch output {
	case "-":
		return "", false
	case "":
		names = append(names, strings.TrimSuffix(file, "yaml")+"yml")
	}
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil {
			return name, true
		}
	}
	return "", false
}

// shown is a file's path for people: from here where it lies below.
func shown(file string) string {
	here, err := os.Getwd()
	if err != nil {
		return file
	}
	if here, err = filepath.EvalSymlinks(here); err != nil {
		return file
	}
	if rel, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}

// words is a command for people.
func words(command []string) string {
	out := make([]string, len(command))
	for i, w := range command {
		if out[i] = w; w == "" || strings.ContainsAny(w, " \t\n'\"$&|;<>()*?#") {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// shownWords is a command for people, without values that are nobody else's business.
func shownWords(command []string) string { return words(recording.Shown(command)) }

// do runs the script, and says where it goes past what is recorded.
func do(ctx context.Context, p *terminal.Printer, script recording.Script) (*recording.Run, error) {
	acts(ctx) // the script may take its time to end
	run, err := script.Do(ctx)
	if err != nil {
		return nil, err
	}
	aside := script.Aside()
	if !run.Asked() && run.Exit == 0 && !run.Interrupted {
		cause := "no build was asked for: does it call docker by an absolute path?"
		if len(aside) > 0 {
			cause = "no build was asked for: " + strings.Join(aside, ", ")
		}
		return nil, hinted{errors.New(cause), "have it call docker by its name, with the PATH that it is given"}
	}
	for _, a := range aside {
		p.Warn("%s, past the PATH: what that builds was not seen", a)
	}
	return run, nil
}

// cutShort keeps what was seen of a script that did not come to its end, and ends as it did.
func cutShort(ctx context.Context, p *terminal.Printer, script recording.Script, run *recording.Run, file string, toStdout bool) error {
	code := run.Exit
	what := fmt.Sprintf("%s failed with %d", shownWords(script.Command), run.Exit)
	if run.Interrupted {
		code, what = exitInterrupted, "interrupted"
	}
	if !run.Asked() {
		p.Fail(what+"; it had asked for no build", "")
		return exitError{code}
	}
	def, err := script.Define(context.WithoutCancel(ctx), run, nil, file)
	if err != nil {
		return err
	}
	p.WarnAll(def.Warnings)
	kept := file + partial
	if toStdout {
		kept = "stdout"
		_, err = p.Out.Write(def.Text)
	} else {
		err = os.WriteFile(kept, def.Text, 0o644)
	}
	if err != nil {
		return err
	}
	p.Fail(fmt.Sprintf("%s; %s has the %s that it had asked for", what, shown(kept), count(def.Images, "image", "images")), "")
	return exitError{code}
}

// whenFailing runs the script once for each image that is to fail, and gives those that
// end it.
func whenFailing(ctx context.Context, p *terminal.Printer, script recording.Script, whole *recording.Run, images []string) ([]string, error) {
	var critical []string
	for _, image := range images {
		script.Fail = []string{image}
		p.Message("rebuild: once more, with %s failing", image)
		run, err := script.Do(ctx)
		if err != nil {
			return nil, err
		}
		if run.Interrupted {
			return nil, context.Cause(ctx)
		}
		what, err := script.Failing(ctx, image, whole, run)
		if err != nil {
			return nil, err
		}
		if what.Unknown {
			return nil, hinted{errors.New(what.Words), "rebuild record -o - -- COMMAND prints those that it builds"}
		}
		p.Message("rebuild: %s", what.Words)
		critical = append(critical, what.Stops...)
	}
	return critical, nil
}

// checkRecord runs the command that a file notes, and says what it does otherwise.
// checkRecord says in what a script differs from the file. A command that came with the file
// is run only if the user allowed it, as what was typed here once is.
func checkRecord(ctx context.Context, p *terminal.Printer, c session.Consent, script recording.Script, file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("%s: no such file", shown(file)), "rebuild record -- COMMAND"}
	}
	if err != nil {
		return err
	}
	noted, line, ok := recording.NotedIn(text)
	switch {
	case len(script.Command) > 0: // which goes before what is noted
	case !ok:
		return hinted{fmt.Errorf("%s: it notes no command", shown(file)), "rebuild record --check -- COMMAND"}
	default:
		script.Command, script.Dir = noted.Command, filepath.Join(script.Root, filepath.FromSlash(noted.Folder))
		if !c.AllowsCommand("", words(noted.Command)) {
			return hinted{
				fmt.Errorf("%s:%d: it notes a command that nobody allowed: %s", shown(file), line, words(noted.Command)),
				"rebuild record --check -- " + words(noted.Command),
			}
		}
		p.Message("rebuild: runs %s, as %s:%d notes", words(noted.Command), shown(file), line)
	}
	script.Stdout = p.Err // the differences are the answer
	run, err := do(ctx, p, script)
	if err != nil {
		return err
	}
	if run.Interrupted || run.Exit != 0 {
		p.Fail(fmt.Sprintf("%s did not come to its end (status %d): nothing is compared", shownWords(script.Command), run.Exit), "")
		if run.Interrupted {
			return exitError{exitInterrupted}
		}
		return exitError{run.Exit}
	}
	list, def, err := script.Check(ctx, run, file, text)
	if err != nil {
		return err
	}
	p.WarnAll(def.Warnings)
	for _, d := range list {
		p.Answer("%s", d)
	}
	if len(list) > 0 {
		p.Message("rebuild: %s, see above", count(len(list), "difference", "differences"))
		return exitError{exitFailed}
	}
	p.Message("rebuild: %s says what the script does: %s", shown(file), count(def.Images, "image", "images"))
	return nil
}
