package impact

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
)

// Digest identifies content or an operation; equal digests mean equal things.
type Digest string

// hasher builds a digest of a sequence of strings, each with its length, so that
// no two sequences run together.
type hasher struct{ h hash.Hash }

func newHasher(kind string) hasher {
	h := hasher{sha256.New()}
	h.add(kind)
	return h
}

func (h hasher) add(s string) {
	// A hash's Write never fails.
	_, _ = io.WriteString(h.h, strconv.Itoa(len(s)))
	_, _ = io.WriteString(h.h, ":")
	_, _ = io.WriteString(h.h, s)
}

func (h hasher) digest() Digest {
	return Digest("sha256:" + hex.EncodeToString(h.h.Sum(nil)))
}

// DigestOf is the digest of a sequence of strings.
func DigestOf(kind string, parts ...string) Digest {
	h := newHasher(kind)
	for _, p := range parts {
		h.add(p)
	}
	return h.digest()
}

// layerKey is a layer's key: its operation, the keys of its inputs, what it
// reads, and for an image the identity of its root filesystem.
func layerKey(op Digest, inputs []Digest, reads []Digest, from Digest) Digest {
	h := newHasher("layer")
	h.add(string(op))
	for _, list := range [][]Digest{inputs, reads} {
		h.add(strconv.Itoa(len(list)))
		for _, d := range list {
			h.add(string(d))
		}
	}
	h.add(string(from))
	return h.digest()
}
