package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rebuild/cmd/rebuild/session"
)

// completionTime bounds what a press of Tab waits for: where a definition takes longer to
// read, verbs and flags alone are completed.
const completionTime = 2 * time.Second

// flagWords are the values of flags that take one of a few words.
var flagWords = map[string][]string{
	"format":   {"text", "json"},
	"mode":     {"build", "verify", "plan"},
	"notify":   {"bell", "desktop"},
	"progress": {"auto", "tty", "plain", "json", quiet},
	"via":      {"file", "config"},
}

// completing tells whether a shell asks what a line may go on with.
func completing(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completeAll says what the arguments and flags of a verb, and of those below it, may be.
// It goes by what their help calls them, so that a new verb needs nothing of its own.
func completeAll(cmd *cobra.Command) {
	switch {
	case strings.Contains(cmd.Use, "IMAGE"):
		cmd.ValidArgsFunction = completeImages
	case strings.Contains(cmd.Use, "COMMAND"): // the shell's own: files
	case !cmd.HasSubCommands() && len(cmd.ValidArgs) == 0 && cmd.Args != nil:
		cmd.ValidArgsFunction = completeNoMore
	}
	complete := func(fl *pflag.Flag) {
		// It only fails for a flag that was seen before, as a persistent one.
		_ = cmd.RegisterFlagCompletionFunc(fl.Name, flagValues(cmd, fl))
	}
	cmd.PersistentFlags().VisitAll(complete)
	cmd.Flags().VisitAll(complete)
	for _, c := range cmd.Commands() {
		completeAll(c)
	}
}

// flagValues is what completes a flag's value.
func flagValues(cmd *cobra.Command, fl *pflag.Flag) cobra.CompletionFunc {
	if words := flagWords[fl.Name]; words != nil {
		if fl.Name == "format" && cmd.Name() == "graph" {
			words = []string{"text", "dot", "mermaid", "json"}
		}
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	switch value, _ := pflag.UnquoteUsage(fl); {
	case fl.Name == "file":
		return cobra.FixedCompletions([]string{"yaml", "yml", "hcl", "json"}, cobra.ShellCompDirectiveFilterFileExt)
	case fl.Name == "phase" || fl.Name == "skip-phase":
		return completePhases
	case value == "REV":
		return completeRevisions
	case value == "DIR":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case value == "FILE":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	}
	return cobra.NoFileCompletions
}

func completeNoMore(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func completeImages(cmd *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if cmd.ValidateArgs(append(slices.Clone(given), begun)) != nil {
		return completeNoMore(cmd, given, begun)
	}
	return completed(cmd, begun, func(ctx context.Context, s *session.Session, q session.Query) ([]string, error) {
		names, err := s.Names(ctx, q)
		return slices.DeleteFunc(append(names.Images, names.Groups...), func(n string) bool { return slices.Contains(given, n) }), err
	})
}

func completePhases(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completed(cmd, begun, func(ctx context.Context, s *session.Session, q session.Query) ([]string, error) {
		names, err := s.Names(ctx, q)
		return names.Phases, err
	})
}

func completeRevisions(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completed(cmd, begun, func(ctx context.Context, s *session.Session, _ session.Query) ([]string, error) {
		if s.Repo == nil {
			return nil, nil
		}
		return s.Repo.References(ctx)
	})
}

// completed gives the words of a session that go on with what was begun. Who presses Tab
// is told nothing of errors: the verb will tell.
func completed(cmd *cobra.Command, begun string, list func(context.Context, *session.Session, session.Query) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	place, query := typed(cmd)
	s, err := session.Open(ctx, place, session.NoEngine, session.Options{})
	if err != nil {
		return completeNoMore(cmd, nil, begun)
	}
	defer s.Close()
	words, err := list(ctx, s, query)
	if err != nil {
		return completeNoMore(cmd, nil, begun)
	}
	slices.Sort(words)
	words = slices.DeleteFunc(slices.Compact(words), func(w string) bool {
		return !strings.HasPrefix(w, begun) || strings.ContainsAny(w, "\t\n\r")
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}

// typed is what the flags of an unfinished line say of the place and of the definitions.
func typed(cmd *cobra.Command) (session.Place, session.Query) {
	text := func(name string) string {
		if fl := cmd.Flag(name); fl != nil {
			return fl.Value.String()
		}
		return ""
	}
	list := func(name string) []string {
		values, _ := cmd.Flags().GetStringArray(name) // a verb without the flag has none
		return values
	}
	vars, _ := pairs("var", list("var")) // what is typed in part is no variable yet
	return session.Place{Dir: text("directory")}, session.Query{Files: list("file"), Set: list("set"), Vars: vars, At: text("at")}
}
