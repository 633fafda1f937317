package tree

import (
	"os"
	"sync"
	"time"
)

// IndexMemo keeps git's index from one working tree to the next, as long as its file
// is the same: it is a large file of which a working tree asks little. The zero value
// is empty.
type IndexMemo struct {
	mu    sync.Mutex
	file  string // guarded by mu, as all below
	stat  stat   // that the file had when it was read
	index *index // nil: none is kept
}

// open reads an index file, unless it was not touched since it was read. moment is a
// time by the file system's clock before that; zero when it is not known. m may be
// nil, which keeps nothing.
func (m *IndexMemo) open(file string, f format, moment time.Time) (*index, error) {
	if m == nil {
		ix, _, err := openIndex(file, f)
		return ix, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.index != nil && m.file == file {
		if fi, err := os.Stat(file); err == nil && statOf(fi) == m.stat {
			return m.index, nil
		}
	}
	m.index = nil
	ix, st, err := openIndex(file, f)
	if err == nil && !moment.IsZero() && st.settledBefore(moment) {
		m.file, m.stat, m.index = file, st, ix
	}
	return ix, err
}
