package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"rebuild/impact"
	"rebuild/impact/catalog"
	"rebuild/impact/llb"
	"rebuild/impact/tree"
)

// workspace is the repository that a command works in, and where it keeps what
// it remembers.
type workspace struct {
	flags *flags
	voice *voice
	repo  *tree.Repository // nil outside git
	root  string           // absolute path of the tree's root
	dir   string           // folder that the command started in, a slash path from the root
	state string           // folder of records, caches and the lock
	memo  *catalog.Memo    // both sides of a plan mostly share their definition

	convert impact.Convert // converts each Dockerfile once
	index   *tree.IndexMemo

	// pinned are the definitions to use instead of what can be read; nil: none.
	pinned *impact.Catalog

	mu      sync.Mutex
	trees   []*tree.Worktree   // guarded by mu: those that were opened
	outside bool               // guarded by mu: a definition was sought outside of the tree
	commits []*tree.CommitTree // guarded by mu: those that the last plan compared
}

func openWorkspace(ctx context.Context, v *voice, f *flags) (*workspace, error) {
	start, err := startFolder(f.dir)
	if err != nil {
		return nil, err
	}
	w := &workspace{flags: f, voice: v, memo: &catalog.Memo{}, convert: impact.Remember(llb.Convert), index: &tree.IndexMemo{}}
	repo, err := tree.Open(ctx, start)
	switch {
	case err == nil:
		w.repo, w.root, w.dir = repo, repo.Root, repo.Prefix
		w.state = filepath.Join(repo.CommonDir, "rebuild")
	case errors.Is(err, tree.ErrNotRepository):
		if f.since != "" || f.at != "" {
			return nil, hinted{fmt.Errorf("%s: not a git repository, so there is no commit to compare with", start), "git init"}
		}
		w.root, w.dir = start, "."
		if w.state, err = userState(start); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	return w, nil
}

// close ends the git commands that serve the workspace.
func (w *workspace) close() {
	if w.repo == nil {
		return
	}
	if err := w.repo.Close(); err != nil {
		w.voice.warn("%v", err)
	}
}

// startFolder is where -C leads, without symlinks.
func startFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("-C %s: %w", dir, errors.Unwrap(err))
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("-C %s: not a folder", dir)
	}
	return filepath.EvalSymlinks(abs)
}

// userState is where a folder outside git has its records, by the XDG base
// directory specification.
func userState(root string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) { // the specification has relative ones ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("there is no place for records outside git: %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	id := impact.DigestOf("folder", root)
	return filepath.Join(base, "rebuild", strings.TrimPrefix(string(id), "sha256:")[:16]), nil
}

// worktree is the tree of the working tree.
func (w *workspace) worktree(ctx context.Context, view tree.View) (*tree.Worktree, error) {
	var (
		t   *tree.Worktree
		err error
	)
	if w.repo == nil {
		t, err = tree.Folder(w.root, tree.Options{CacheDir: w.state})
	} else {
		t, err = w.repo.Worktree(ctx, tree.Options{View: view, CacheDir: w.state, Index: w.index})
	}
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.trees = append(w.trees, t)
	}
	return t, err
}

// looked lists the folders in which the working tree was looked at so far.
func (w *workspace) looked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var dirs []string
	for _, t := range w.trees {
		dirs = append(dirs, t.FoldersRead()...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// commit is the tree of a commit, for a plan to compare.
func (w *workspace) commit(ctx context.Context, rev string, view tree.View) (*tree.CommitTree, error) {
	t, err := w.repo.Commit(ctx, rev, view)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.commits = append(w.commits, t)
	}
	return t, err
}

// compareAnew forgets the commits of the plan before.
func (w *workspace) compareAnew() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits = nil
}

// readOutside reads a definition that lies outside of the tree.
func (w *workspace) readOutside(name string) ([]byte, error) {
	w.mu.Lock()
	w.outside = true
	w.mu.Unlock()
	return os.ReadFile(name)
}

// catalog reads the definitions at a tree.
func (w *workspace) catalog(ctx context.Context, t tree.Tree, volatile bool) (impact.Catalog, error) {
	if w.pinned != nil {
		return *w.pinned, nil
	}
	args, err := w.flags.args()
	if err != nil {
		return impact.Catalog{}, err
	}
	vars, err := w.flags.variables()
	if err != nil {
		return impact.Catalog{}, err
	}
	files := make([]string, len(w.flags.files))
	for i, f := range w.flags.files {
		if files[i], err = w.definitionPath(f); err != nil {
			return impact.Catalog{}, err
		}
	}
	return catalog.Load(ctx, t, catalog.Options{
		Read: w.readOutside, Root: w.root, Dir: w.dir, Files: files, Set: w.flags.set, BuildArgs: args, Vars: vars, Volatile: volatile, Memo: w.memo,
	})
}

// definitionPath is a -f as the catalog takes it: from the tree's root when it
// lies inside, else absolute.
func (w *workspace) definitionPath(name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.root, filepath.FromSlash(w.dir), name)
	}
	abs := filepath.Clean(name)
	rel, err := filepath.Rel(w.root, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return abs, nil
	}
	return path.Clean(filepath.ToSlash(rel)), nil
}

// choose gives the names of the images that the command line asks for.
func (w *workspace) choose(cat impact.Catalog, phases []impact.Phase, args []string) ([]string, error) {
	if w.flags.only != nil {
		return w.flags.only, nil
	}
	names, err := catalog.Select(cat, args, w.flags.all || len(w.flags.phases) > 0)
	if err != nil {
		return nil, err
	}
	only, err := phaseImages(phases, w.flags.phases)
	if err != nil {
		return nil, err
	}
	without, err := phaseImages(phases, w.flags.skipPhases)
	if err != nil {
		return nil, err
	}
	for _, p := range phases {
		if p.Optional && w.flags.skipOptional {
			without = append(without, p.Images...)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return len(w.flags.phases) > 0 && !slices.Contains(only, n) || slices.Contains(without, n)
	}), nil
}

// phaseImages lists the images of named phases.
func phaseImages(phases []impact.Phase, names []string) ([]string, error) {
	var images []string
	for _, name := range names {
		i := slices.IndexFunc(phases, func(p impact.Phase) bool { return strings.EqualFold(p.Name, name) })
		if i < 0 {
			var known []string
			for _, p := range phases {
				known = append(known, p.Name)
			}
			err := fmt.Errorf("unknown phase %q%s", name, catalog.Suggest(name, known))
			return nil, hinted{err, "the phases are " + strings.Join(known, ", ")}
		}
		images = append(images, phases[i].Images...)
	}
	return images, nil
}
