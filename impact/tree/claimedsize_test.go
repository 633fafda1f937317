package tree

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rebuild/impact/safefile"
)

// TestClaimedSize: no memory is taken on a damaged object's word, and no text of any size
// is read where a person writes one.
func TestClaimedSize(t *testing.T) {
	r := newRepo(t).write(map[string]string{"Dockerfile": "FROM scratch\n", "large": strings.Repeat("x", safefile.Text+1)})
	r.git("add", ".")
	r.git("commit", "-q", "-m", "one")
	large := r.git("rev-parse", "HEAD:large")
	id := r.git("rev-parse", "HEAD:Dockerfile")
	var object bytes.Buffer
	w := zlib.NewWriter(&object)
	fmt.Fprintf(w, "blob %d\x00FROM scratch\n", int64(20_000_000_000_000))
	must(t, w.Close())
	file := filepath.Join(r.dir, ".git", "objects", id[:2], id[2:])
	must(t, os.Remove(file))
	must(t, os.WriteFile(file, object.Bytes(), 0o444))

	repository, err := Open(t.Context(), r.dir)
	must(t, err)
	defer repository.Close()
	program := newProgramObjects(repository)
	for name, o := range map[string]objects{"as the repository is read": repository.objects(), "git": program} {
		if _, err := o.blob(t.Context(), id, safefile.Text); err == nil {
			t.Errorf("%s: a damaged blob is read as a text", name)
		}
		if _, err := o.blob(t.Context(), large, safefile.Text); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: a large text: %v", name, err)
		}
		if data, err := o.blob(t.Context(), large, unlimited); err != nil || len(data) != safefile.Text+1 {
			t.Errorf("%s: a large file: %d %v", name, len(data), err)
		}
	}
	at, err := repository.Commit(t.Context(), "HEAD", Git)
	must(t, err)
	if _, err := at.ReadFile(t.Context(), "large"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a large text: %v", err)
	}
	if _, err := at.ReadFile(t.Context(), "Dockerfile"); err == nil || !strings.Contains(err.Error(), "Dockerfile") {
		t.Errorf("a damaged text: %v", err)
	}
}
