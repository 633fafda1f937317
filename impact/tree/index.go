package tree

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// index is git's index: the files that it tracks, and the stats that they had
// when git last looked at them.
type index struct {
	entries []indexEntry // by path, then stage
	moment  time.Time    // when it was written; what is not older is racy
	skipped bool         // some entries are not checked out (sparse checkout)
}

type indexEntry struct {
	path string
	id   string // raw
	mode uint32 // git's

	// Zero when the index was read through the git program.
	size         uint32
	mtime, ctime int64
	inode        uint32

	stage     uint8
	absent    bool // "skip worktree": not checked out
	intentAdd bool // added without content
}

// Modes of git's trees and index.
const (
	gitFile    = 0o100644
	gitExec    = 0o100755
	gitSymlink = 0o120000
	gitlink    = 0o160000
	gitDir     = 0o040000
	gitType    = 0o170000
)

func (e *indexEntry) digest() impact.Digest { return impact.Digest(hex.EncodeToString([]byte(e.id))) }

// clean tells whether the file has the content that the index knows, by the
// rule of git's racy index. It is stricter than git's own comparison: at worst a
// file is read once more. Whatever git is told to overlook (assume unchanged,
// fsmonitor, core.checkStat) plays no part: the stats of the file itself count. Size 0
// is also what git gives an entry that it knows to be racy.
func (ix *index) clean(e *indexEntry, st stat) bool {
	if e.stage != 0 || e.intentAdd || e.mtime == 0 || e.size == 0 || e.size != uint32(st.size) || e.mtime != st.mtime {
		return false
	}
	if st.ctime != 0 && e.ctime != st.ctime || st.inode != 0 && e.inode != uint32(st.inode) {
		return false
	}
	return e.mtime < ix.moment.UnixNano()
}

// find gives the entry of a path, of the lowest stage.
func (ix *index) find(path string) *indexEntry {
	i := ix.from(path)
	if i < len(ix.entries) && ix.entries[i].path == path {
		return &ix.entries[i]
	}
	return nil
}

// below gives the entries in a folder and its subfolders.
func (ix *index) below(dir string) []indexEntry {
	if dir == "." {
		return ix.entries
	}
	return ix.entries[ix.from(dir+"/"):ix.from(dir+"0")] // '0' follows '/'
}

func (ix *index) from(path string) int {
	i, _ := slices.BinarySearchFunc(ix.entries, path, func(e indexEntry, p string) int { return cmp.Compare(e.path, p) })
	return i
}

// errUnusualIndex says that only git itself can read the index: it is split in
// two files, or holds folders as one entry.
var errUnusualIndex = errors.New("split or sparse index")

// readIndex reads the index file, or has git read it.
func readIndex(ctx context.Context, r *Repository, m *IndexMemo, moment time.Time) (*index, error) {
	ix, err := m.open(filepath.Join(r.GitDir, "index"), r.format, moment)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &index{}, nil
	case err != nil: // git knows better, or says what is wrong
		return listIndex(ctx, r.git)
	}
	return ix, nil
}

func openIndex(file string, f format) (*index, stat, error) {
	fi, err := os.Stat(file) // of one that is replaced meanwhile it is too old, which is safe
	if err != nil {
		return nil, stat{}, err
	}
	data, err := safefile.Read(file, safefile.Record)
	if err != nil {
		return nil, stat{}, err
	}
	ix, err := parseIndex(data, f)
	if err != nil {
		return nil, stat{}, err
	}
	ix.moment = fi.ModTime()
	return ix, statOf(fi), nil
}

var errDamagedIndex = errors.New("damaged index")

// parseIndex reads versions 2 to 4 (gitformat-index).
func parseIndex(data []byte, f format) (*index, error) {
	be := binary.BigEndian
	if len(data) < 12+f.size || string(data[:4]) != "DIRC" {
		return nil, errDamagedIndex
	}
	version, count := be.Uint32(data[4:]), int(be.Uint32(data[8:]))
	if version < 2 || version > 4 {
		return nil, errUnusualIndex
	}
	body := data[12 : len(data)-f.size]
	fixed := 40 + f.size + 2
	if count > len(body)/fixed {
		return nil, errDamagedIndex
	}
	ix := &index{entries: make([]indexEntry, count)}
	ids := make([]byte, 0, count*f.size)
	before := ""
	for i := range ix.entries {
		if len(body) < fixed {
			return nil, errDamagedIndex
		}
		e := &ix.entries[i]
		nanos := func(at int) int64 { return int64(be.Uint32(body[at:]))*1e9 + int64(be.Uint32(body[at+4:])) }
		e.ctime, e.mtime = nanos(0), nanos(8)
		e.inode, e.mode, e.size = be.Uint32(body[20:]), be.Uint32(body[24:]), be.Uint32(body[36:])
		ids = append(ids, body[40:40+f.size]...)
		flags := be.Uint16(body[40+f.size:])
		e.stage = uint8(flags >> 12 & 3)
		at := fixed
		if version >= 3 && flags&0x4000 != 0 {
			if len(body) < at+2 {
				return nil, errDamagedIndex
			}
			more := be.Uint16(body[at:])
			e.absent, e.intentAdd = more&0x4000 != 0, more&0x2000 != 0
			ix.skipped = ix.skipped || e.absent
			at += 2
		}
		keep := 0
		if version == 4 {
			strip, w := indexVarint(body[at:])
			if w == 0 || strip > uint64(len(before)) {
				return nil, errDamagedIndex
			}
			keep, at = len(before)-int(strip), at+w
		}
		n := bytes.IndexByte(body[at:], 0)
		if n < 0 {
			return nil, errDamagedIndex
		}
		e.path = before[:keep] + string(body[at:at+n])
		if version == 4 {
			before = e.path
			at += n + 1
		} else {
			at = (at + n + 8) &^ 7 // padded with 1 to 8 zeros
		}
		if e.mode&gitType == gitDir {
			return nil, errUnusualIndex
		}
		if at > len(body) {
			return nil, errDamagedIndex
		}
		body = body[at:]
	}
	all := string(ids)
	for i := range ix.entries {
		ix.entries[i].id = all[i*f.size : (i+1)*f.size]
	}
	// An extension whose name is in lower case must be understood: "link" is the
	// split index, "sdir" the sparse one.
	for len(body) >= 8 {
		size := be.Uint32(body[4:])
		if body[0] < 'A' || body[0] > 'Z' {
			return nil, errUnusualIndex
		}
		if uint64(size) > uint64(len(body)-8) {
			return nil, errDamagedIndex
		}
		body = body[8+size:]
	}
	if !slices.IsSortedFunc(ix.entries, compareEntries) {
		return nil, errDamagedIndex
	}
	return ix, nil
}

func compareEntries(a, b indexEntry) int {
	return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.stage, b.stage))
}

// indexVarint is the variable width encoding of pack offsets.
func indexVarint(b []byte) (uint64, int) {
	if len(b) == 0 {
		return 0, 0
	}
	v := uint64(b[0] & 0x7f)
	for i := 0; ; i++ {
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
		if i+1 == len(b) || i == 8 {
			return 0, 0
		}
		v = (v+1)<<7 | uint64(b[i+1]&0x7f)
	}
}

// listIndex has git read the index. Stats are not among what it prints, so
// that every file is read once, for the cache.
func listIndex(ctx context.Context, git program) (*index, error) {
	out, err := git.run(ctx, "ls-files", "--stage", "-v", "-z")
	if err != nil {
		return nil, err
	}
	ix := &index{}
	for line := range strings.SplitSeq(string(out), "\x00") {
		if line == "" {
			continue
		}
		// "H 100644 id stage\tpath"; the letter is S for what is not checked out, and
		// in lower case for what is assumed unchanged (git-ls-files).
		head, path, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 {
			return nil, fmt.Errorf("git ls-files: unexpected line %q", line)
		}
		mode, err1 := strconv.ParseUint(fields[1], 8, 32)
		id, err2 := hex.DecodeString(fields[2])
		stage, err3 := strconv.ParseUint(fields[3], 10, 8)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("git ls-files: unexpected line %q: %w", line, err)
		}
		tag := fields[0]
		e := indexEntry{path: path, id: string(id), mode: uint32(mode), stage: uint8(stage),
			absent: strings.EqualFold(tag, "s")}
		ix.skipped = ix.skipped || e.absent
		ix.entries = append(ix.entries, e)
	}
	slices.SortStableFunc(ix.entries, compareEntries)
	return ix, nil
}
