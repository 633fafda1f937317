package catalog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// mirror is where compose-go finds files. It reads those that a compose file
// includes or extends from the disk, by itself; the tree may be a commit, and not
// every file outside of it may be read. So what it may ask for is written to a
// temporary folder, under the same path, and each path passes casts before it is
// opened. Without such files there is no folder: then paths are only names.
type mirror struct {
	paths  paths
	prefix string // temporary folder; "" when nothing is written
	volume string // of the root on Windows
	root   string // the tree's root below prefix, with slashes

	dir     string // temporary folder that prefix lies in
	levels  int    // folders between the two
	lacking bool   // what was asked for needs a folder, or more levels
	climbed int    // levels that project_directory led up in all, since the last load began
}

// manyLevels is how many ".." are followed: more than the longest path of a folder has
// that somebody keeps by hand, and few enough to be made in a moment.
const manyLevels = 128

// unrooted stands for the root of a tree that is nowhere.
const unrooted = "/-"

func newMirror(p paths) *mirror {
	root := p.root
	if root == "" {
		root = unrooted
	}
	volume := filepath.VolumeName(filepath.FromSlash(root))
	return &mirror{paths: p, volume: filepath.ToSlash(volume), root: root[len(volume):]}
}

// open makes the folder.
func (m *mirror) open() error {
	dir, err := safefile.TempDir()
	if err != nil {
		return err
	}
	// A context below it is told from others by its path, so links are followed once.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	m.dir = filepath.ToSlash(dir)
	m.prefix = path.Join(m.dir, strings.Repeat("_/", m.levels))
	m.lacking = false
	return nil
}

// close removes the folder; its paths are still understood.
func (m *mirror) close() {
	if m.dir != "" {
		os.RemoveAll(filepath.FromSlash(m.dir))
	}
	m.dir = ""
}

// host is the path under which compose-go knows a path of the model.
func (m *mirror) host(p string) string {
	switch {
	case !isAbs(p):
		p = path.Join(m.root, p)
	case m.prefix != "":
		p = p[len(filepath.VolumeName(filepath.FromSlash(p))):]
	}
	if m.prefix == "" {
		return filepath.FromSlash(m.volume + p)
	}
	return filepath.FromSlash(m.prefix + p)
}

// model is the path of the model for one of compose-go's.
func (m *mirror) model(host string) string {
	p := filepath.ToSlash(host)
	if rest, ok := strings.CutPrefix(p, m.prefix+"/"); ok && m.prefix != "" {
		p = m.volume + "/" + rest
	}
	if rest, ok := strings.CutPrefix(p, unrooted+"/"); ok && m.paths.root == "" {
		return rest
	} else if p == unrooted {
		return "."
	}
	return m.paths.inTree(p)
}

// worded puts the model's paths into a message.
func (m *mirror) worded(text string) string {
	text = strings.ReplaceAll(text, m.host(".")+string(filepath.Separator), "")
	if m.prefix != "" {
		text = strings.ReplaceAll(text, filepath.FromSlash(m.prefix), "")
	}
	return text
}

// write writes a file of the folder, and nothing outside of it, whatever the name is.
func (m *mirror) write(name string, data []byte) error {
	root, err := os.OpenRoot(filepath.FromSlash(m.prefix))
	if err != nil {
		return err
	}
	defer root.Close()
	rel, err := filepath.Rel(root.Name(), name)
	if err == nil {
		err = root.MkdirAll(filepath.Dir(rel), 0o700)
	}
	if err == nil {
		err = root.WriteFile(rel, data, 0o600)
	}
	return err
}

// put writes a file, and what its text refers to in plain words.
func (m *mirror) put(ctx context.Context, r *reader, src source, dir string) error {
	name := m.host(src.path)
	if _, err := os.Lstat(name); err == nil {
		return nil
	}
	if err := m.write(name, src.data); err != nil {
		return err
	}
	if path.Base(src.path) == ".env" {
		return nil
	}
	folders := []string{dir}
	if own := path.Dir(src.path); own != dir {
		folders = append(folders, own)
	}
	for _, folder := range folders {
		if err := m.putDotenv(ctx, r, folder); err != nil {
			return err
		}
		for _, ref := range references(src.data) {
			at, err := r.paths.resolve(folder, ref.path)
			if err != nil || strings.Contains(ref.path, "$") {
				continue // compose-go asks for it by name, or says why not
			}
			if ref.folder {
				err = m.putDotenv(ctx, r, at)
			} else {
				err = m.fetch(ctx, r, at, dir)
			}
			if err != nil {
				return namedAt(err, src.path, ref.line)
			}
		}
	}
	return nil
}

// fetch puts a file of the tree, if there is one.
func (m *mirror) fetch(ctx context.Context, r *reader, name, dir string) error {
	src, ok, err := r.try(ctx, name)
	if err != nil || !ok {
		return err
	}
	return m.put(ctx, r, src, dir)
}

func (m *mirror) putDotenv(ctx context.Context, r *reader, dir string) error {
	src, ok, err := r.tryDotenv(ctx, dir)
	if err != nil || !ok {
		return err
	}
	src.path = path.Join(dir, ".env")
	return m.put(ctx, r, src, dir)
}

// supply puts the file that compose-go did not find, and tells whether there was
// one. by is the file that began it.
func (m *mirror) supply(ctx context.Context, r *reader, err error, dir, by string) (bool, error) {
	var absent *fs.PathError
	if m.prefix == "" || !errors.As(err, &absent) || !errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	name := m.model(absent.Path)
	if remoteDefinition.MatchString(name) {
		return false, &impact.Fault{Path: dir, Cause: "a compose file includes " + name + ": a definition is read only from files", Hint: "clone it, and include the file"}
	}
	src, ok, err := r.try(ctx, name)
	if err != nil {
		return false, namedAt(err, by, 0)
	}
	if !ok {
		return false, missing(&impact.Fault{Path: name, Cause: "no such file, but a compose file refers to it"})
	}
	return true, m.put(ctx, r, src, dir)
}

// fileReference is a path in a compose file that leads to another definition.
type fileReference struct {
	path   string
	folder bool // whose .env file counts
	line   int
}

// references lists the files that a compose file includes or extends.
func references(data []byte) (refs []fileReference) {
	defer func() {
		if recover() != nil { // the YAML parser's, on text that may be anyone's
			refs = nil
		}
	}()
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	top := doc.Content[0]
	for _, item := range items(field(top, "include")) {
		refs = append(refs, scalars(item, false)...)
		refs = append(refs, scalars(field(item, "path"), false)...)
		refs = append(refs, scalars(field(item, "env_file"), false)...)
		refs = append(refs, scalars(field(item, "project_directory"), true)...)
	}
	services := field(top, "services")
	for i := 1; services != nil && i < len(services.Content); i += 2 {
		refs = append(refs, scalars(field(field(services.Content[i], "extends"), "file"), false)...)
	}
	return refs
}

// scalars gives a string, or those of a list.
func scalars(n *yaml.Node, folder bool) []fileReference {
	if n == nil {
		return nil
	}
	n = dealias(n)
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		return []fileReference{{n.Value, folder, n.Line}}
	}
	var refs []fileReference
	for _, item := range items(n) {
		if item = dealias(item); item.Kind == yaml.ScalarNode {
			refs = append(refs, fileReference{item.Value, folder, item.Line})
		}
	}
	return refs
}
