package tree

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// programObjects reads objects through git itself, which knows every kind of
// repository there is.
type programObjects struct {
	git    program
	format format
	whole  *pipe
	sizes  *pipe
}

func newProgramObjects(r *Repository) *programObjects {
	return &programObjects{
		git:    r.git,
		format: r.format,
		whole:  r.children.pipe(r.git, "cat-file", "--batch"),
		sizes:  r.children.pipe(r.git, "cat-file", "--batch-check"),
	}
}

func (p *programObjects) resolve(ctx context.Context, rev string) (string, error) {
	if rev == "" || strings.HasPrefix(rev, "-") {
		return "", errNoObject
	}
	id, err := p.git.line(ctx, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if exited(err, 1) || exited(err, 128) {
		return "", errNoObject
	}
	return id, err
}

func (p *programObjects) tree(ctx context.Context, id string) ([]treeEntry, error) {
	kind, data, err := p.read(ctx, id, unlimited)
	if err != nil {
		return nil, err
	}
	if kind == "commit" {
		root, ok := strings.CutPrefix(string(data[:min(len(data), 5+2*p.format.size)]), "tree ")
		if !ok {
			return nil, fmt.Errorf("commit %s: damaged", id)
		}
		if kind, data, err = p.read(ctx, root, unlimited); err != nil {
			return nil, err
		}
	}
	if kind != "tree" {
		return nil, fmt.Errorf("object %s is a %s, not a tree", id, kind)
	}
	return parseTree(data, p.format)
}

func (p *programObjects) blob(ctx context.Context, id string, limit int64) ([]byte, error) {
	_, data, err := p.read(ctx, id, limit)
	return data, err
}

func (p *programObjects) read(ctx context.Context, id string, limit int64) (kind string, data []byte, err error) {
	missing, large := false, error(nil)
	err = p.whole.ask(ctx, []byte(id+"\n"), func(r *bufio.Reader) error {
		var size int64
		kind, size, err = batchHead(r)
		if err != nil || kind == "" {
			missing = err == nil
			return err
		}
		if large = sizeWithin(size, limit); large != nil {
			return large // what follows is not read, so that the command is ended
		}
		// A damaged object may claim any size.
		var text bytes.Buffer
		text.Grow(int(min(size, claimed)))
		if _, err := io.CopyN(&text, r, size); err != nil {
			return err
		}
		data = text.Bytes()
		_, err := r.Discard(1) // the line's end
		return err
	})
	if large != nil {
		err = large
	}
	if missing {
		err = fmt.Errorf("object %s: %w", id, errNoObject)
	}
	return kind, data, err
}

// claimed is how much memory is taken on an object's word alone, in bytes.
const claimed = 1 << 20

func (p *programObjects) size(ctx context.Context, id string) (int64, error) {
	var kind string
	var size int64
	err := p.sizes.ask(ctx, []byte(id+"\n"), func(r *bufio.Reader) (err error) {
		kind, size, err = batchHead(r)
		return err
	})
	if err == nil && kind == "" {
		err = fmt.Errorf("object %s: %w", id, errNoObject)
	}
	return size, err
}

// batchHead reads "ID TYPE SIZE"; no kind means that there is no such object.
func batchHead(r *bufio.Reader) (kind string, size int64, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", 0, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return "", 0, nil // "NAME missing"
	}
	size, err = strconv.ParseInt(fields[2], 10, 64)
	return fields[1], size, err
}
