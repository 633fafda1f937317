package tree

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// statCache remembers the digests of files that were read, with the stats that
// they had. It holds only what somebody asked for and git's index did not know.
type statCache struct {
	file   string // "" keeps nothing
	mark   string // what it is a cache of; another one's is ignored
	idSize int
	moment time.Time // by the file system's clock, before anything was read; zero: keep nothing

	old []statRecord // as loaded, by path

	mu     sync.Mutex
	used   []bool                // guarded by mu: of old, in this run
	fresh  map[string]statRecord // guarded by mu: read in this run
	learnt bool                  // guarded by mu: something of fresh is not in the file
}

type statRecord struct {
	path string
	stat stat
	how  uint32 // 0: of the bytes; else the conversion that was applied
	id   string // raw
}

const (
	statCacheMagic = "rebuild stat cache 1\n"

	// carried bounds what a cache keeps of files that nobody asked for: a plan of a
	// few images must not throw away what a plan of all needs, and a cache must
	// not grow with every file that ever was. About 150 bytes each.
	carried = 200_000
)

// loadStatCache never fails: what can't be read, or is another tree's, is as
// good as nothing.
func loadStatCache(dir, name, mark string, f format) *statCache {
	c := &statCache{mark: mark, idSize: f.size, fresh: map[string]statRecord{}}
	if dir == "" {
		return c
	}
	c.file = filepath.Join(dir, name)
	c.moment = clock(dir)
	if data, err := safefile.Read(c.file, safefile.Record); err == nil {
		c.old = c.decode(string(data))
	}
	c.used = make([]bool, len(c.old))
	return c
}

// get gives the digest of a file whose stat is still the same.
func (c *statCache) get(path string, st stat, how uint32) (impact.Digest, bool) {
	i, ok := slices.BinarySearchFunc(c.old, path, func(r statRecord, p string) int { return cmp.Compare(r.path, p) })
	if !ok {
		return "", false
	}
	c.mu.Lock()
	c.used[i] = true
	c.mu.Unlock()
	if r := &c.old[i]; r.stat == st && r.how == how {
		return impact.Digest(hex.EncodeToString([]byte(r.id))), true
	}
	return "", false
}

// put remembers a digest, unless the file was touched too recently to be sure.
func (c *statCache) put(path string, st stat, how uint32, d impact.Digest) {
	if c.moment.IsZero() || !st.settledBefore(c.moment) {
		return
	}
	id, err := hex.DecodeString(string(d))
	if err != nil || len(id) != c.idSize {
		return
	}
	c.mu.Lock()
	c.fresh[path], c.learnt = statRecord{path, st, how, string(id)}, true
	c.mu.Unlock()
}

// save writes the cache, if it learnt anything. The cache may be in use meanwhile.
func (c *statCache) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == "" || !c.learnt {
		return nil
	}
	records := make([]statRecord, 0, len(c.old)+len(c.fresh))
	for _, r := range c.fresh {
		records = append(records, r)
	}
	spare := carried
	for i, r := range c.old {
		if _, ok := c.fresh[r.path]; ok {
			continue
		}
		if !c.used[i] {
			if spare == 0 {
				continue
			}
			spare--
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b statRecord) int { return cmp.Compare(a.path, b.path) })
	if err := replaceFile(c.file, c.encode(records)); err != nil {
		return fmt.Errorf("stat cache: %w", err)
	}
	sweep(filepath.Dir(c.file), c.moment)
	c.learnt = false
	return nil
}

func (c *statCache) encode(records []statRecord) []byte {
	var b bytes.Buffer
	b.WriteString(statCacheMagic)
	b.WriteString(c.mark + "\n")
	le := binary.LittleEndian
	n := le.AppendUint32(nil, uint32(len(records)))
	b.Write(n)
	var buf []byte
	for _, r := range records {
		buf = binary.AppendUvarint(buf[:0], uint64(len(r.path)))
		buf = append(buf, r.path...)
		buf = le.AppendUint64(buf, uint64(r.stat.size))
		buf = le.AppendUint64(buf, uint64(r.stat.mtime))
		buf = le.AppendUint64(buf, uint64(r.stat.ctime))
		buf = le.AppendUint64(buf, r.stat.inode)
		buf = le.AppendUint32(buf, r.stat.mode)
		buf = le.AppendUint32(buf, r.how)
		buf = append(buf, r.id...)
		b.Write(buf)
	}
	b.Write(le.AppendUint32(nil, crc32.ChecksumIEEE(b.Bytes())))
	return b.Bytes()
}

// decode gives nothing for a file that is damaged or another tree's.
func (c *statCache) decode(data string) []statRecord {
	const fixed = 4*8 + 2*4
	if len(data) < 4 {
		return nil
	}
	le := binary.LittleEndian
	body, sum := data[:len(data)-4], data[len(data)-4:]
	if crc32.ChecksumIEEE([]byte(body)) != le.Uint32([]byte(sum)) {
		return nil
	}
	body, ok := strings.CutPrefix(body, statCacheMagic+c.mark+"\n")
	if !ok || len(body) < 4 {
		return nil
	}
	count := int(le.Uint32([]byte(body[:4])))
	body = body[4:]
	if count > len(body)/(fixed+c.idSize) {
		return nil
	}
	records := make([]statRecord, count)
	for i := range records {
		n, w := uvarint(body)
		if w <= 0 || n > uint64(len(body)) || len(body)-w < int(n)+fixed+c.idSize {
			return nil
		}
		r := &records[i]
		r.path, body = body[w:w+int(n)], body[w+int(n):]
		u64 := func(at int) uint64 { return uint64(u32(body[at:])) | uint64(u32(body[at+4:]))<<32 }
		r.stat = stat{int64(u64(0)), int64(u64(8)), int64(u64(16)), u64(24), u32(body[32:])}
		r.how = u32(body[36:])
		r.id, body = body[fixed:fixed+c.idSize], body[fixed+c.idSize:]
	}
	return records
}

// u32 and uvarint are those of encoding/binary, on a string: the paths and ids
// of all records then share the one string of the file.
func u32(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func uvarint(s string) (uint64, int) {
	return binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
}
