package tree

import (
	"bufio"
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ignored asks git which untracked paths it ignores. Git is the judge: its rules
// come from the files of many folders and of its configuration.
type ignored struct {
	root  string // of the working tree
	check *pipe
}

func newIgnored(r *Repository) ignored {
	// -v -n answers for every path, and --no-index for tracked ones too: nobody asks
	// for those, and git need not read its index.
	git := r.git
	// This command takes no literal pathspecs; which writes its paths so that none has
	// a meaning.
	git.env = append(slices.Clone(git.env), "GIT_LITERAL_PATHSPECS=0")
	return ignored{r.Root, r.children.pipe(git, "check-ignore", "--stdin", "-z", "-v", "-n", "--no-index")}
}

// which tells for each path whether git ignores it.
func (g ignored) which(ctx context.Context, paths []string) ([]bool, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	if err := g.readable(paths); err != nil {
		return nil, err
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

// readable is the fault of an ignore file that git would read for the paths, and that has
// no end. Git follows no link to one.
func (g ignored) readable(paths []string) error {
	seen := map[string]bool{}
	for _, p := range paths {
		for dir := path.Dir(p); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			file := filepath.Join(g.root, filepath.FromSlash(dir), ".gitignore")
			fi, err := os.Lstat(file)
			if err != nil {
				continue
			}
			if err := endless(file, fi); err != nil {
				return err
			}
		}
	}
	return nil
}
