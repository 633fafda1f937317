package tree

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// checkout gives files of a commit the content that a clean checkout would: with
// the line ends, encodings and filters (LFS among them) that attributes ask for.
// The attributes are those of the commit.
type checkout struct {
	repo   *Repository
	commit string
	attrs  *attributes
	open   func() (*filters, error)
}

// filters are the git commands that convert. They run on an index of the commit and
// an empty working tree, because git looks for attributes there, in this order.
type filters struct {
	git     program
	attr    *pipe // check-attr
	content *pipe // cat-file
}

func newCheckout(r *Repository, commit string, read func(context.Context, string) ([]byte, error)) *checkout {
	c := &checkout{repo: r, commit: commit, attrs: newAttributes(r, read)}
	c.open = sync.OnceValues(c.start)
	return c
}

func (c *checkout) start() (*filters, error) {
	dir, err := c.repo.children.tempDir()
	if err != nil {
		return nil, err
	}
	empty := filepath.Join(dir, "tree")
	if err := os.Mkdir(empty, 0o777); err != nil {
		return nil, err
	}
	git := program{
		dir:  empty,
		repo: []string{"--git-dir=" + c.repo.GitDir, "--work-tree=" + empty},
		env:  []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")},
	}
	// The settings that would leave traces in the repository itself.
	if _, err := git.run(context.Background(), "-c", "core.splitIndex=false", "-c", "core.sparseCheckout=false",
		"-c", "core.fsmonitor=false", "read-tree", c.commit); err != nil {
		return nil, err
	}
	return &filters{
		git:     git,
		attr:    c.repo.children.pipe(git, append([]string{"check-attr", "-z", "--stdin"}, converting...)...),
		content: c.repo.children.pipe(git, "cat-file", "--batch", "--filters"),
	}, nil
}

// converts tells whether a file's content is not its blob's.
func (c *checkout) converts(ctx context.Context, path string) (bool, error) {
	may, err := c.attrs.mayConvert(ctx, path)
	if err != nil || !may {
		return false, err
	}
	f, err := c.open()
	if err != nil {
		return false, err
	}
	v, err := attributesOf(f.attr, path)
	if err != nil {
		return false, err
	}
	return c.attrs.checkoutConverts(v), nil
}

// convert gives a blob as the file of that path.
func (c *checkout) convert(ctx context.Context, path, id string) ([]byte, error) {
	f, err := c.open()
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
	err := f.content.ask([]byte(id+" "+path+"\n"+end+"\n"), func(r *bufio.Reader) error {
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
