package tree

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"

	"rebuild/impact"
)

// format is a repository's object format: how it names objects.
type format struct {
	name string // "sha1", "sha256"
	size int    // bytes of an id
	new  func() hash.Hash
}

var (
	sha1Format   = format{"sha1", sha1.Size, sha1.New}
	sha256Format = format{"sha256", sha256.Size, sha256.New}
)

func formatOf(name string) (format, error) {
	switch name {
	case "sha1", "":
		return sha1Format, nil
	case "sha256":
		return sha256Format, nil
	}
	return format{}, fmt.Errorf("unknown object format %q", name)
}

// blob is the id that git gives a file of this content.
func (f format) blob(content []byte) impact.Digest {
	h := f.header(int64(len(content)))
	h.Write(content)
	return idOf(h)
}

func (f format) header(size int64) hash.Hash {
	h := f.new()
	io.WriteString(h, "blob "+strconv.FormatInt(size, 10)+"\x00") // a hash's Write never fails
	return h
}

func idOf(h hash.Hash) impact.Digest { return impact.Digest(hex.EncodeToString(h.Sum(nil))) }
