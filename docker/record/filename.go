package record

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// fileName is a file name for any text: readable, and its own on every file
// system, whatever its length limit, its case and the names it reserves.
func fileName(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if b.Len() == 48 {
			break
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	sum := sha256.Sum256([]byte(text))
	return b.String() + "." + hex.EncodeToString(sum[:8])
}
