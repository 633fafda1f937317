package tree

import (
	"path/filepath"
	"testing"
	"time"
)

// An index is kept while its file is untouched, and only if a later write is bound to
// show in the file's times.
func TestIndexMemo(t *testing.T) {
	r := newRepo(t)
	r.write(map[string]string{"a": "one"})
	r.git("add", ".")
	file := filepath.Join(r.dir, ".git", "index")
	m := &IndexMemo{}
	open := func(moment time.Time) *index {
		t.Helper()
		ix, err := m.open(file, sha1Format, moment)
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}
	racy := open(time.Unix(1, 0))
	if open(time.Unix(1, 0)) == racy {
		t.Error("an index that may yet be written in the same tick is kept")
	}
	late := time.Now().Add(time.Hour)
	kept := open(late)
	if open(late) != kept {
		t.Error("an untouched index is read again")
	}
	r.write(map[string]string{"b": "two"})
	r.git("add", ".")
	if ix := open(late); ix == kept || ix.find("b") == nil {
		t.Error("a changed index is not read again")
	}
}
