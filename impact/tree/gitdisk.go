package tree

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"rebuild/impact"
)

// gitDisk is the source of the working tree as git sees it.
type gitDisk struct {
	repo    *Repository
	disk    *disk // what is really there
	index   *index
	ignored ignored
	attrs   *attributes
	check   *pipe // git check-attr
	convert *pipe // git hash-object

	fileMode bool // the disk's executable bits count
	symlinks bool // symlinks are symlinks (core.symlinks)

	folders table[string, []*entry]
	empty   table[string, bool]
	modules table[string, impact.Digest]
}

// newGitDisk may write a file of its own to the folder scratch. Where git is told to
// overlook modes (core.fileMode), they count all the same if the disk has any: BuildKit
// copies them.
func newGitDisk(r *Repository, d *disk, ix *index, attrs *attributes, scratch string) *gitDisk {
	return &gitDisk{
		repo:     r,
		disk:     d,
		index:    ix,
		ignored:  newIgnored(r),
		attrs:    attrs,
		check:    r.children.pipe(r.git, append([]string{"check-attr", "-z", "--stdin"}, converting...)...),
		convert:  r.children.pipe(r.git, "hash-object", "--stdin-paths"),
		fileMode: r.config.isTrue("core.filemode", true) || keepsModes(scratch),
		symlinks: r.config.isTrue("core.symlinks", true),
	}
}

func (g *gitDisk) list(ctx context.Context, dir string) ([]*entry, error) {
	return g.folders.get(dir, func() ([]*entry, error) { return g.readDir(ctx, dir) })
}

// readDir keeps of a folder what git tracks or would add. A subfolder may turn out
// hollow.
func (g *gitDisk) readDir(ctx context.Context, dir string) ([]*entry, error) {
	found, err := g.disk.list(ctx, dir)
	if err != nil {
		return nil, err
	}
	var entries, untracked []*entry
	for _, f := range found {
		if f.path == ".git" {
			entries = append(entries, ownGit(""))
			continue
		}
		if f.name() == ".git" {
			continue
		}
		e := &entry{path: f.path, kind: f.kind, git: f.git, id: f.id}
		tracked := g.index.find(f.path)
		switch {
		case f.id != "": // not checked out: git calls it unmodified
		case f.kind == fs.ModeDir && tracked != nil && tracked.mode == gitlink:
			e.git, e.id = true, string(tracked.digest())
		case f.kind == fs.ModeDir && len(g.index.below(f.path)) > 0:
		case f.kind == fs.ModeDir:
			untracked = append(untracked, e)
		case !f.kind.IsRegular() && f.kind != fs.ModeSymlink:
			continue // git knows no devices
		case tracked == nil:
			untracked = append(untracked, e)
		case f.kind.IsRegular() && tracked.mode == gitSymlink && !g.symlinks:
			e.kind, e.file = fs.ModeSymlink, true
		}
		entries = append(entries, e)
	}
	return g.dropIgnored(ctx, entries, untracked)
}

// special lists what of a folder is neither file, link nor folder: git knows none of it,
// but by its ignore files.
func (g *gitDisk) special(ctx context.Context, dir string) ([]*entry, error) {
	if e := g.index.find(dir); e != nil && e.mode == gitlink {
		return nil, nil // a submodule: another repository's files
	}
	found, err := g.disk.list(ctx, dir)
	if missing(err) { // no folder by that name: what a link leads to is not asked
		return nil, nil
	}
	var out []*entry
	for _, e := range found {
		if e.kind&^(fs.ModeDir|fs.ModeSymlink) != 0 {
			out = append(out, e)
		}
	}
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return g.dropIgnored(ctx, out, slices.Clone(out))
}

func (g *gitDisk) dropIgnored(ctx context.Context, entries, untracked []*entry) ([]*entry, error) {
	paths := make([]string, len(untracked))
	for i, e := range untracked {
		paths[i] = e.path
	}
	ignored, err := g.ignored.which(ctx, paths)
	if err != nil {
		return nil, err
	}
	drop := map[*entry]bool{}
	for i, e := range untracked {
		drop[e] = ignored[i]
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return drop[e] }), nil
}

// kindOf gives the type of a mode of git's.
func kindOf(mode uint32) fs.FileMode {
	switch mode & gitType {
	case gitSymlink:
		return fs.ModeSymlink
	case gitDir, gitlink:
		return fs.ModeDir
	}
	return 0
}

// modeOf gives a mode of git's as a clean checkout makes it under the usual umask.
func modeOf(mode uint32) fs.FileMode {
	switch {
	case mode&gitType == gitSymlink:
		return modeSymlink
	case mode&gitType == gitDir, mode&gitType == gitlink:
		return modeDir
	case mode&0o100 != 0:
		return modeExec
	}
	return modeFile
}

func (g *gitDisk) fill(ctx context.Context, e *entry) error {
	return e.once(func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case e.own:
			return g.fillOwnGit(ctx, e)
		case e.git:
			return g.fillModule(ctx, e)
		case e.kind == fs.ModeDir:
			e.mode = modeDir
			return nil
		case e.kind == fs.ModeSymlink:
			e.mode = modeSymlink
			return g.fillLink(e)
		}
		return g.fillFile(ctx, e)
	})
}

func (g *gitDisk) fillFile(ctx context.Context, e *entry) error {
	tracked := g.index.find(e.path)
	if e.id != "" { // not checked out
		e.mode, e.digest = modeOf(tracked.mode), tracked.digest()
		return g.convertedFile(ctx, e)
	}
	fi, err := os.Lstat(g.disk.system(e.path))
	if missing(err) {
		e.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != e.kind {
		return &ChangedError{e.path}
	}
	e.mode = g.mode(fi, tracked)
	st := statOf(fi)
	if tracked != nil && g.index.clean(tracked, st) {
		e.digest = tracked.digest()
		return g.convertedFile(ctx, e)
	}
	e.digest, err = g.content(ctx, e.path, st, tracked)
	if missing(err) {
		e.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	return g.convertedFile(ctx, e)
}

// convertedFile makes the digest of a file's blob that of the file.
func (g *gitDisk) convertedFile(ctx context.Context, e *entry) error {
	may, err := g.attrs.mayConvert(ctx, e.path)
	if err != nil || !may {
		return err
	}
	v, err := attributesOf(ctx, g.check, e.path)
	if err == nil {
		e.digest = g.attrs.converted(e.digest, v)
	}
	return err
}

// mode reduces a mode to git's.
func (g *gitDisk) mode(fi fs.FileInfo, tracked *indexEntry) fs.FileMode {
	switch {
	case g.fileMode && fi.Mode()&0o100 != 0:
		return modeExec
	case !g.fileMode && tracked != nil && tracked.mode&gitType == gitFile&gitType:
		return modeOf(tracked.mode)
	}
	return modeFile
}

// content gives the id of the blob that git would make of a changed file.
func (g *gitDisk) content(ctx context.Context, p string, st stat, tracked *indexEntry) (impact.Digest, error) {
	may, err := g.attrs.mayConvert(ctx, p)
	if err != nil {
		return "", err
	}
	if !may {
		return g.disk.bytes(ctx, p, st)
	}
	v, err := attributesOf(ctx, g.check, p)
	if err != nil {
		return "", err
	}
	if tracked != nil && v.onlyLineEnds() {
		// Git leaves the line ends of a file alone when its blob has CRLF already
		// (convert.c, has_crlf_in_index), which hash-object doesn't know.
		raw, err := g.disk.bytes(ctx, p, st)
		if err != nil || raw == tracked.digest() {
			return raw, err
		}
	}
	how := g.attrs.fingerprint(v)
	if digest, ok := g.disk.cache.get(p, st, how); ok {
		return digest, nil
	}
	digest, err := g.hashObject(ctx, p)
	if err != nil {
		return "", err
	}
	if fi, err := os.Lstat(g.disk.system(p)); err == nil && statOf(fi) == st {
		g.disk.cache.put(p, st, how, digest)
	}
	return digest, nil
}

// hashObject has git convert and hash a file.
func (g *gitDisk) hashObject(ctx context.Context, p string) (impact.Digest, error) {
	if strings.ContainsAny(p, "\n\"\\") || strings.HasPrefix(p, `"`) {
		// Such a path would need git's quoting.
		id, err := g.repo.git.line(ctx, "hash-object", "--", p)
		return impact.Digest(id), err
	}
	var id string
	err := g.convert.ask(ctx, []byte(p+"\n"), func(r *bufio.Reader) error {
		line, err := r.ReadString('\n')
		id = strings.TrimSuffix(line, "\n")
		return err
	})
	return impact.Digest(id), err
}

// fillLink reads a symlink, which need not be one on the disk.
func (g *gitDisk) fillLink(e *entry) error {
	switch {
	case e.id != "":
		e.digest = impact.Digest(e.id)
		return nil
	case !e.file:
		return g.disk.readLink(e)
	}
	text, err := g.disk.readFile(e.path)
	if err != nil {
		return err
	}
	e.text = string(text)
	e.digest = g.repo.format.blob(text)
	return nil
}

func (g *gitDisk) link(ctx context.Context, e *entry) (string, error) {
	if e.id != "" {
		text, err := g.repo.objects().blob(ctx, e.id, longestLink)
		return string(text), err
	}
	err := g.fill(ctx, e)
	return e.text, err
}

// hollow finds folders that hold nothing git would add, which git does not know
// at all.
func (g *gitDisk) hollow(ctx context.Context, e *entry) (bool, error) {
	if !e.isDir() {
		return false, nil
	}
	return g.isHollow(ctx, e.path)
}

func (g *gitDisk) isHollow(ctx context.Context, dir string) (bool, error) {
	return g.empty.get(dir, func() (bool, error) {
		entries, err := g.list(ctx, dir)
		if missing(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			if !e.isDir() {
				return false, nil
			}
		}
		for _, e := range entries {
			if hollow, err := g.isHollow(ctx, e.path); err != nil || !hollow {
				return false, err
			}
		}
		return true, nil
	})
}

// fillModule gives a submodule's checked out commit as its digest, and what was
// changed in it since.
func (g *gitDisk) fillModule(ctx context.Context, e *entry) error {
	e.mode = modeDir
	digest, err := g.modules.get(e.path, func() (impact.Digest, error) {
		return moduleDigest(ctx, g.disk.system(e.path), e.id)
	})
	if err != nil {
		return fmt.Errorf("submodule %s: %w", e.path, err)
	}
	e.digest = digest
	return nil
}
