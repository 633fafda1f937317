package tree

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"rebuild/impact"
)

// checkout gives files of a commit the content that a clean checkout would: with
// the line ends, encodings and filters (LFS among them) that attributes ask for.
// The attributes are those of the commit.
type checkout struct {
	repo  *Repository
	attrs *attributes
	open  func() (*filters, error)
}

// filters are the git commands that convert. They run on a working tree that holds
// nothing but the commit's attributes, because that is where git looks for them.
type filters struct {
	git     program
	attr    *pipe // check-attr
	content *pipe // cat-file
	folders table[string, bool]
}

func newCheckout(r *Repository, read func(context.Context, string) ([]byte, error)) *checkout {
	c := &checkout{repo: r, attrs: newAttributes(r, read)}
	c.open = sync.OnceValues(c.start)
	return c
}

func (c *checkout) start() (*filters, error) {
	dir, err := c.repo.children.tempDir()
	if err != nil {
		return nil, err
	}
	git := program{
		dir:  dir,
		repo: []string{"--git-dir=" + c.repo.GitDir, "--work-tree=" + dir},
		env:  []string{"GIT_INDEX_FILE=" + filepath.Join(dir, ".none")},
	}
	return &filters{
		git:     git,
		attr:    c.repo.children.pipe(git, append([]string{"check-attr", "-z", "--stdin"}, converting...)...),
		content: c.repo.children.pipe(git, "cat-file", "--batch", "--filters"),
	}, nil
}

// filters gives the commands, with the attributes in place that count for a path.
func (c *checkout) filters(ctx context.Context, p string) (*filters, error) {
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	return f, c.place(ctx, f, path.Dir(p))
}

// place writes the attributes of a folder and of those above it.
func (c *checkout) place(ctx context.Context, f *filters, dir string) error {
	_, err := f.folders.get(dir, func() (bool, error) {
		if dir != "." {
			if err := c.place(ctx, f, path.Dir(dir)); err != nil {
				return false, err
			}
		}
		name := child(dir, ".gitattributes")
		text, err := c.attrs.read(ctx, name)
		if missing(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		root, err := os.OpenRoot(f.git.dir) // whatever a commit's names are, nothing is written outside of it
		if err != nil {
			return false, err
		}
		defer root.Close()
		if err := root.MkdirAll(filepath.FromSlash(dir), 0o700); err != nil {
			return false, err
		}
		return true, root.WriteFile(filepath.FromSlash(name), text, 0o600)
	})
	return err
}

// converts tells whether a file's content is not its blob's.
func (c *checkout) converts(ctx context.Context, path string) (bool, error) {
	v, err := c.valuesOf(ctx, path)
	return v != nil && c.attrs.checkoutConverts(v), err
}

// converted is the digest of a file, by its blob's: see attributes.converted.
func (c *checkout) converted(ctx context.Context, path string, blob impact.Digest) (impact.Digest, error) {
	v, err := c.valuesOf(ctx, path)
	if err != nil || v == nil {
		return blob, err
	}
	return c.attrs.converted(blob, v), nil
}

// valuesOf gives a path's attributes, nil where no conversion can apply.
func (c *checkout) valuesOf(ctx context.Context, path string) (values, error) {
	may, err := c.attrs.mayConvert(ctx, path)
	if err != nil || !may {
		return nil, err
	}
	f, err := c.filters(ctx, path)
	if err != nil {
		return nil, err
	}
	return attributesOf(ctx, f.attr, path)
}

// convert gives a blob as the file of that path.
func (c *checkout) convert(ctx context.Context, path, id string) ([]byte, error) {
	f, err := c.filters(ctx, path)
	if err != nil {
		return nil, err
	}
	data, err := f.convert(ctx, path, id)
	if err != nil {
		return nil, fmt.Errorf("check out %s: %w", path, err)
	}
	return data, nil
}

func (f *filters) convert(ctx context.Context, path, id string) ([]byte, error) {
	if strings.Contains(path, "\n") {
		return f.git.run(ctx, "cat-file", "--filters", "--path="+path, id)
	}
	// The size that git announces is that of the blob, not of what it writes. So the
	// end is found by what it says about an object that does not exist.
	end := "end-" + rand.Text()
	var data []byte
	err := f.content.ask(ctx, []byte(id+" "+path+"\n"+end+"\n"), func(r *bufio.Reader) error {
		kind, _, err := batchHead(r)
		if err != nil {
			return err
		}
		if kind == "" {
			_, err := r.ReadString('\n')
			data = nil
			if err == nil {
				err = fmt.Errorf("object %s: %w", id, errNoObject)
			}
			return err
		}
		data, err = readUntil(r, []byte("\n"+end+" missing\n"))
		return err
	})
	return data, err
}

// readUntil reads what comes before a mark.
func readUntil(r *bufio.Reader, mark []byte) ([]byte, error) {
	var data []byte
	for {
		part, err := r.ReadSlice('\n')
		data = append(data, part...)
		if bytes.HasSuffix(data, mark) {
			return data[:len(data)-len(mark)], nil
		}
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
	}
}
