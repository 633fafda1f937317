package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"rebuild/impact"
)

// ErrNotRepository says that a folder lies in no git repository.
var ErrNotRepository = errors.New("not a git repository")

// Repository is a git repository, with a working tree or bare.
type Repository struct {
	Bare      bool   // there are only commits; Root is GitDir
	Root      string // top of the working tree, as a path of the system
	Prefix    string // slash path from Root of the folder that was opened; "." is Root
	GitDir    string // of this working tree
	CommonDir string // of all its linked working trees

	git      program
	config   config
	format   format
	children *children
	objects  func() objects

	mu    sync.Mutex
	trees map[string][]treeEntry // guarded by mu: trees that were read, by id
}

// Open finds the repository that dir lies in, whatever the environment says: git
// points GIT_DIR at another one while it runs a hook.
func Open(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !fi.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a folder")}
	}
	if err := GitWouldWait(dir); err != nil {
		return nil, err
	}
	here := program{dir: dir}
	r := &Repository{children: &children{}, trees: map[string][]treeEntry{}}
	var paths string
	eg, egctx := errgroup.WithContext(ctx)
	eg.Go(func() (err error) {
		paths, err = here.line(egctx, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir", "--show-prefix")
		if isBare(err) {
			r.Bare = true
			paths, err = here.line(egctx, "rev-parse", "--absolute-git-dir", "--absolute-git-dir", "--git-common-dir")
			paths += "\n"
		}
		return err
	})
	eg.Go(func() (err error) {
		r.config, err = readConfig(egctx, here)
		return err
	})
	if err := eg.Wait(); err != nil {
		return nil, openError(dir, err)
	}
	lines := strings.Split(paths, "\n")
	if len(lines) != 4 {
		return nil, fmt.Errorf("git rev-parse: unexpected answer %q", paths)
	}
	r.Root, r.GitDir, r.CommonDir = filepath.FromSlash(lines[0]), filepath.FromSlash(lines[1]), filepath.FromSlash(lines[2])
	if !filepath.IsAbs(r.CommonDir) {
		r.CommonDir = filepath.Join(dir, r.CommonDir)
	}
	r.Prefix = path.Clean(lines[3])
	if err := r.elsewhere(dir); err != nil {
		return nil, err
	}
	if r.format, err = formatOf(r.config.get("extensions.objectformat")); err != nil {
		return nil, fmt.Errorf("repository %s: %w", r.Root, err)
	}
	r.git = program{dir: r.Root, repo: []string{"--git-dir=" + r.GitDir}}
	if !r.Bare {
		r.git.repo = append(r.git.repo, "--work-tree="+r.Root)
	}
	r.objects = sync.OnceValue(r.openObjects)
	// For those who forget Close: the commands end with the last reference.
	runtime.AddCleanup(r, (*children).close, r.children)
	return r, nil
}

// isBare tells whether git answered that there is no working tree where it looked: in a bare
// repository, or in the folder of one that its .git file names.
func isBare(err error) bool {
	e := (*programError)(nil)
	return errors.As(err, &e) && strings.Contains(e.stderr, "must be run in a work tree")
}

// openError says in our words what git says about a folder that it does not open.
func openError(dir string, err error) error {
	e := (*programError)(nil)
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case strings.Contains(e.stderr, "not a git repository"):
		if at := gitAbove(dir); at != "" {
			return &impact.Fault{Path: at, Cause: "git cannot read it: " + strings.TrimSpace(e.stderr), Hint: "git -C " + impact.ShellWord(filepath.Dir(at)) + " status"}
		}
		return fmt.Errorf("%s: %w", dir, ErrNotRepository)
	case strings.Contains(e.stderr, "dubious ownership"):
		return &impact.Fault{Path: dir, Cause: "the repository belongs to another user", Hint: "git config --global --add safe.directory " + impact.ShellWord(dir)}
	}
	return fmt.Errorf("%s: %w", dir, err)
}

// elsewhere refuses a repository that was found by way of configuration which may be a
// stranger's. Files of a clone can be a bare repository: in its folder git takes its
// configuration for the user's own (safe.bareRepository), with programs to run. And a
// configuration can name any folder as the working tree, the user's home say, all of which
// would count as the repository.
func (r *Repository) elsewhere(dir string) error {
	at := gitAbove(dir)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	above := ""
	if at != "" {
		if above, err = filepath.EvalSymlinks(filepath.Dir(at)); err != nil {
			return err
		}
	}
	if at != "" && encloses(r.GitDir, real) && !encloses(filepath.Join(above, ".git"), r.GitDir) {
		return &impact.Fault{
			Path: r.GitDir, Cause: "it is a repository among the files of " + above + ", whose configuration may have come with them",
			Hint: "rebuild -C " + impact.ShellWord(above) + ", or clone it to a folder of its own",
		}
	}
	if r.Bare || encloses(r.Root, real) && (at == "" || encloses(above, r.Root)) {
		return nil
	}
	return &impact.Fault{
		Path: filepath.Join(r.CommonDir, "config"), Cause: "core.worktree names " + r.Root + " as the working tree, and that lies elsewhere",
		Hint: "git -C " + impact.ShellWord(dir) + " config --unset core.worktree",
	}
}

// encloses tells whether a path is a folder or lies in it.
func encloses(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// gitAbove is the nearest .git in a folder or above it, "" where there is none: git does not
// say whether it found nothing, or what it cannot read. As git does, it does not look beyond
// GIT_CEILING_DIRECTORIES, nor into another file system (setup.c).
func gitAbove(dir string) string {
	ceilings := filepath.SplitList(os.Getenv("GIT_CEILING_DIRECTORIES"))
	here, err := os.Stat(dir)
	for err == nil {
		at := filepath.Join(dir, ".git")
		if _, err := os.Lstat(at); err == nil {
			return at
		}
		up := filepath.Dir(dir)
		fi, err := os.Stat(up)
		if err != nil || up == dir || slices.Contains(ceilings, up) || fileSystem(fi) != fileSystem(here) {
			return ""
		}
		dir = up
	}
	return ""
}

// Close ends the git commands that the repository's trees use. A tree must not
// be used after it.
func (r *Repository) Close() error {
	r.children.close()
	return nil
}

// StateDir is where this program keeps what it knows about the repository. It is
// no part of any tree, or a build that copies .git would never be up to date.
func (r *Repository) StateDir() string { return filepath.Join(r.CommonDir, "rebuild") }

// Resolve gives the full id of the commit that a revision means. The error is a
// *RevisionError when it means none.
func (r *Repository) Resolve(ctx context.Context, rev string) (string, error) {
	id, err := r.objects().resolve(ctx, rev)
	if errors.Is(err, errNoObject) {
		return "", &RevisionError{Rev: rev}
	}
	return id, err
}

// Commit gives the tree of a commit. It never looks at the working tree.
func (r *Repository) Commit(ctx context.Context, rev string, view View) (*CommitTree, error) {
	id, err := r.Resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	return newCommitTree(r, impact.Side{Kind: impact.SideCommit, Rev: rev, Commit: id}, view), nil
}

// CheckedOut tells whether the working tree is that of a commit: it is HEAD, and no
// tracked file is edited. git diff would not tell of those that git is told to overlook.
func (r *Repository) CheckedOut(ctx context.Context, commit string) (bool, error) {
	head, err := r.Resolve(ctx, "HEAD")
	if unborn := (*RevisionError)(nil); errors.As(err, &unborn) || r.Bare {
		return false, nil
	}
	if err != nil || head != commit {
		return false, err
	}
	worktree, err := r.Worktree(ctx, Options{View: Git, CacheDir: r.StateDir()})
	if err != nil {
		return false, err
	}
	then, err := r.Commit(ctx, commit, Git)
	if err != nil {
		return false, err
	}
	everything := impact.Selection{Context: ".", Path: "/"}
	before, err := then.Read(ctx, everything)
	if err != nil {
		return false, err
	}
	now, err := worktree.Read(ctx, everything)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(impact.Diff(before.Files, now.Files), func(c impact.Change) bool {
		return c.Change != impact.Added || worktree.git.index.find(c.Path) != nil
	}), nil
}

// readTree lists a tree or a commit's root tree, and remembers it: two commits
// share most of their trees.
func (r *Repository) readTree(ctx context.Context, id string) ([]treeEntry, error) {
	r.mu.Lock()
	t, ok := r.trees[id]
	r.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := r.objects().tree(ctx, id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.trees[id] = t
	r.mu.Unlock()
	return t, nil
}
