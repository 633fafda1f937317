package tree

import (
	"bufio"
	"context"
	"slices"
	"strings"
)

// ignored asks git which untracked paths it ignores. Git is the judge: its rules
// come from the files of many folders and of its configuration.
type ignored struct{ check *pipe }

func newIgnored(r *Repository) ignored {
	// -v -n answers for every path, and --no-index for tracked ones too: nobody asks
	// for those, and git need not read its index.
	git := r.git
	// This command takes no literal pathspecs; which writes its paths so that none has
	// a meaning.
	git.env = append(slices.Clone(git.env), "GIT_LITERAL_PATHSPECS=0")
	return ignored{r.children.pipe(git, "check-ignore", "--stdin", "-z", "-v", "-n", "--no-index")}
}

// which tells for each path whether git ignores it.
func (g ignored) which(ctx context.Context, paths []string) ([]bool, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	out := make([]bool, len(paths))
	question := "./" + strings.Join(paths, "\x00./") + "\x00"
	err := g.check.ask(ctx, []byte(question), func(r *bufio.Reader) error {
		for i := range out {
			// source, line, pattern, path
			var field [4]string
			for j := range field {
				s, err := r.ReadString(0)
				if err != nil {
					return err
				}
				field[j] = s[:len(s)-1]
			}
			// The last pattern that matches decides; it may be an exception.
			out[i] = field[0] != "" && !strings.HasPrefix(field[2], "!")
		}
		return nil
	})
	return out, err
}
