package main

import (
	"io"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
)

// The daemon in the background is called as its starter was.
func TestRepeated(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{[]string{"-d"}, []string{"watch", "--detached"}},
		{[]string{"-d", "--poll", "--quiet", "200ms"}, []string{"watch", "--detached", "--poll=true", "--quiet=200ms"}},
		{[]string{"-C", "a b", "-d", "app", "*-cuda"}, []string{"watch", "--detached", "--directory=a b", "--", "app", "*-cuda"}},
		{[]string{"--detach=true", "--", "-x"}, []string{"watch", "--detached", "--", "-x"}},
		{
			[]string{"-f", "one", "-f", "a,b", "--build-arg", "A=1,2", "--build-arg=B= x", "--set", "*.args.C=\"q\"", "-d"},
			[]string{"watch", "--detached", "--build-arg=A=1,2", "--build-arg=B= x", "--file=one", "--file=a,b", "--set=*.args.C=\"q\""},
		},
	} {
		cmd := watchCommand(terminal.New(io.Discard, io.Discard))
		var got []string
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			got = repeated(cmd, "detach", "--detached")
			return nil
		}
		cmd.SetArgs(c.given)
		if err := cmd.Execute(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.given, got, err, c.want)
		}

		// And it understands the same by it.
		again := watchCommand(terminal.New(io.Discard, io.Discard))
		var repeatedAgain []string
		again.RunE = func(cmd *cobra.Command, _ []string) error {
			repeatedAgain = repeated(cmd, "detached", "--detached")
			return nil
		}
		again.SetArgs(got[1:])
		if err := again.Execute(); err != nil || !slices.Equal(repeatedAgain, got) {
			t.Errorf("%q: %q, %v", got, repeatedAgain, err)
		}
	}
}
